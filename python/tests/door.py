"""A Flight SQL door for tests, which speaks as `graunt serve --flight` does.

It has two canned tables and no privacy: it shows that the package sends and reads what it should
through the real driver. Whether the server does is shown by the live tests.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import threading
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight
from messages import command, command_of, field

PASSWORD = "a password for tests"
QUERY = "3d69" * 16
COST = {"rho": 0.02435594, "delta": 0.0, "rho_nano": 24355940, "delta_atto": 0}
LEFT = {"rho": 0.1, "delta": 4e-6, "rho_nano": 100000000, "delta_atto": 4000000000000}
LEFT |= {"epsilon": 2.0, "epsilon_at_delta": 1e-5}
PERSON = pa.schema(
    [
        pa.field("person_id", pa.int64(), False, {"graunt.is_unit": "true"}),
        pa.field("gender_concept_id", pa.int64()),
        pa.field("year_of_birth", pa.int64(), True, {"graunt.lower": "1900"}),
    ]
)


class Session:
    """What the server keeps for one bearer token."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}
        self.query: str | None = None
        self.parameters: dict[bytes, list[Any]] = {}


class Refused(Exception):
    """Words of a refusal, which go to the client as they are."""


class Door(flight.FlightServerBase):  # type: ignore[misc]
    """The server; `said` holds every statement in the order in which it was run."""

    def __init__(self) -> None:
        self.said: list[tuple[str, list[Any]]] = []
        self.calls: list[str] = []
        self.sessions: dict[str, Session] = {}
        self.answered: set[str] = set()
        self.receipt_fails = False
        self.handles: dict[bytes, str] = {}
        middleware = {"login": Login(self)}
        super().__init__("grpc://127.0.0.1:0", auth_handler=Handshake(), middleware=middleware)
        self.uri = f"grpc://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def get_flight_info(self, context: Any, descriptor: Any) -> Any:
        name, fields = command_of(descriptor.command)
        self.calls.append(name)
        schema = SCHEMAS.get(name)
        if name == "CommandGetTables" and 5 in fields:
            schema = schema.append(pa.field("table_schema", pa.binary(), False))
        endpoint = flight.FlightEndpoint(descriptor.command, [])
        # Without a schema the client takes that of the stream, with its metadata.
        return flight.FlightInfo(schema, descriptor, [endpoint], -1, -1)

    def do_get(self, context: Any, ticket: Any) -> Any:
        name, fields = command_of(ticket.ticket)
        session = self.sessions[context.get_middleware("login").token]
        if name == "CommandPreparedStatementQuery":
            handle = fields[1]
            parameters = session.parameters.get(handle, [])
            if "waits" in self.handles[handle]:
                wait_until_taken_back(context)
            table = self.run(session, self.handles[handle], parameters)
        elif name == "CommandGetTables":
            table = tables(fields)
        elif name in ("CommandGetDbSchemas", "CommandGetCatalogs"):
            columns = {"catalog_name": ["demo"], "db_schema_name": ["public"]}
            schema = SCHEMAS[name]
            table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        else:
            raise NotImplementedError(name)
        return flight.RecordBatchStream(table)

    def do_action(self, context: Any, action: Any) -> Any:
        self.calls.append(action.type)
        if action.type == "CreatePreparedStatement":
            _, fields = command_of(action.body.to_pybytes())
            handle = f"handle {len(self.handles)}".encode()
            self.handles[handle] = fields[1].decode()
            return [command("ActionCreatePreparedStatementResult", field(1, handle))]
        return []

    def do_put(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        _, fields = command_of(descriptor.command)
        session = self.sessions[context.get_middleware("login").token]
        (row,) = reader.read_all().to_pylist()
        session.parameters[fields[1]] = list(row.values())

    def run(self, session: Session, sql: str, parameters: list[Any]) -> Any:
        self.said.append((sql, parameters))
        try:
            return answer_to(self, session, sql, parameters)
        except Refused as refused:
            raise pa.ArrowInvalid(str(refused)) from None


def wait_until_taken_back(context: Any) -> None:
    """Interrupts the client, as Ctrl-C does, and waits until it hangs up."""
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        if context.is_cancelled():
            return
        threading.Event().wait(0.01)


def answer_to(door: Door, session: Session, sql: str, parameters: list[Any]) -> Any:
    """What the server answers to a statement."""
    if found := re.fullmatch(r"SET graunt\.(\w+) = (\S+)", sql):
        session.settings[found.group(1)] = found.group(2)
        return pa.table({"status": pa.array([], pa.string())})
    if found := re.fullmatch(r"RESET graunt\.(\w+)", sql):
        session.settings.pop(found.group(1), None)
        return pa.table({"status": pa.array([], pa.string())})
    if found := re.fullmatch(r"SHOW graunt\.(\w+)", sql):
        return shown(door, session, found.group(1))
    for part, words in REFUSALS.items():
        if part in sql:
            raise Refused(words)
    if sql.startswith("EXPLAIN "):
        return pa.table({"QUERY PLAN": ["Aggregate: released", "  TableScan: person"]})
    if sql.startswith("ESTIMATE "):
        return estimated()
    return released(door, session, sql, parameters)


def shown(door: Door, session: Session, name: str) -> Any:
    if name == "budget":
        spent = {"rho_nano": 110876536, "delta_atto": 1000000000000}
        cap = {"rho_nano": 210876536, "delta_atto": 5000000000000}
        value = {"cap": cap, "spent": spent, "left": LEFT, "charges": 7}
    elif name == "receipt":
        if door.receipt_fails:
            raise Refused("[store] the receipt cannot be read")
        value = {"version": 1, "intent": {"query": session.query}, "note": "größer"}
    else:
        raise Refused(f"[usage] there is no setting graunt.{name}")
    return pa.table({f"graunt.{name}": [json.dumps(value, ensure_ascii=False)]})


def estimated() -> Any:
    columns = {
        "column": ["count(*)"],
        "noise": [4.53088],
        "half_width": [8.88036],
        "is_chosen": [False],
        "lower": [0.0],
        "upper": [1.0],
        "groups_per_person": [1],
        "threshold": pa.array([17], pa.int64()),
    }
    told = {"graunt.cost": json.dumps(COST), "graunt.left": json.dumps(LEFT)}
    return pa.table(columns).replace_schema_metadata(told)


def released(door: Door, session: Session, sql: str, parameters: list[Any]) -> Any:
    columns: dict[str, Any] = {
        "gender_concept_id": pa.array([8507, 8532], pa.int64()),
        "n": pa.array([14838, 15155], pa.int64()),
    }
    if "<b>" in sql:
        columns["gender_concept_id"] = pa.array(["<b>\x1b[2J", None])
    if session.settings.get("intervals") == "on":
        columns["n_lo"] = pa.array([14829, 15146], pa.int64())
        columns["n_hi"] = pa.array([14847, 15164], pa.int64())
    asked = json.dumps([sql, parameters, session.settings.get("epsilon")], default=str)
    is_repeat = asked in door.answered
    door.answered.add(asked)
    session.query = QUERY
    cost = COST | {"rho_nano": 0} if is_repeat else COST
    told = {
        "graunt.cost": json.dumps(cost),
        "graunt.left": json.dumps(LEFT),
        "graunt.query": QUERY,
        "graunt.notes": json.dumps(["keys with 17 or fewer persons are not shown"]),
        "graunt.is_repeat": "true" if is_repeat else "false",
    }
    return pa.table(columns).replace_schema_metadata(told)


def tables(fields: dict[int, Any]) -> Any:
    pattern = fields.get(3, b"%").decode()
    names = [name for name in ("person", "death") if pattern in ("%", name)]
    columns: dict[str, Any] = {
        "catalog_name": ["demo"] * len(names),
        "db_schema_name": ["public"] * len(names),
        "table_name": names,
        "table_type": ["TABLE"] * len(names),
    }
    schema = SCHEMAS["CommandGetTables"]
    if 5 in fields:
        columns["table_schema"] = [PERSON.serialize().to_pybytes()] * len(names)
        schema = schema.append(pa.field("table_schema", pa.binary(), False))
    return pa.table(columns, schema=schema)


class Caller(flight.ServerMiddleware):  # type: ignore[misc]
    """One call, of a session; a login's answer carries its token."""

    def __init__(self, token: str, is_login: bool) -> None:
        self.token = token
        self.is_login = is_login

    def sending_headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.is_login else {}


class Login(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    """Takes Basic once, and the token that it gave afterwards."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def start_call(self, info: Any, headers: dict[str, list[str]]) -> Caller:
        (header,) = headers.get("authorization", [""])
        kind, _, word = header.partition(" ")
        if kind == "Bearer" and word in self.door.sessions:
            return Caller(word, False)
        # The driver leaves out the padding at the end.
        if kind == "Basic" and base64.b64decode(word + "==").decode() == f"ada:{PASSWORD}":
            token = f"token{len(self.door.sessions)}"
            self.door.sessions[token] = Session()
            return Caller(token, True)
        words = "[unauthorized] name or password are wrong\n hint: graunt analyst password NAME"
        raise flight.FlightUnauthenticatedError(words)


class Handshake(flight.ServerAuthHandler):  # type: ignore[misc]
    """Lets the middleware decide."""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        pass

    def is_valid(self, token: bytes) -> str:
        return ""


SCHEMAS: dict[str, Any] = {
    "CommandGetCatalogs": pa.schema([pa.field("catalog_name", pa.string(), False)]),
    "CommandGetDbSchemas": pa.schema(
        [pa.field("catalog_name", pa.string()), pa.field("db_schema_name", pa.string(), False)]
    ),
    "CommandGetTables": pa.schema(
        [
            pa.field("catalog_name", pa.string()),
            pa.field("db_schema_name", pa.string()),
            pa.field("table_name", pa.string(), False),
            pa.field("table_type", pa.string(), False),
        ]
    ),
}

REFUSALS = {
    "SELECT *": "[R-ROWS] the result would show rows of single persons\n"
    " hint: aggregate over persons, for instance SELECT COUNT(*)\n at: line 1, column 8",
    "person_id, year": "[R-ROWS] the result would show rows of single persons\n"
    " hint: aggregate over persons, for instance SELECT COUNT(*)",
    "death": "[exhausted] the budget of this population does not hold that: asked rho 0.17",
    "fails": "[failed] the query failed after it was charged; the charge stands "
    "(incident 00f3a9c2b1d4e576)",
    "spoilt": "[untrusted] the bytes do not match their attested digest",
    "slow": "[cancelled] the question was taken back; nothing was charged",
}
