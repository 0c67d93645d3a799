"""A session of one analyst with a server, over Flight SQL.

It keeps no answers and retries nothing: a question that failed may have been charged, and only
the server knows. The password is used once, to log in, and is not kept.
"""

from __future__ import annotations

import ipaddress
import json
import math
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import adbc_driver_flightsql
import pyarrow as pa
from adbc_driver_flightsql import dbapi

from graunt import errors
from graunt.answer import Answer, metadata
from graunt.cost import Budget
from graunt.estimate import Estimate


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: as questions spell it.
        kind: the Arrow type, such as `int64` or `date32[day]`.
        is_nullable: whether values may be missing.
        about: what else the server tells of it, such as public bounds.
    """

    name: str
    kind: str
    is_nullable: bool
    about: Mapping[str, str] = field(default_factory=dict)


def connect(
    uri: str = "grpc://127.0.0.1:31337",
    *,
    analyst: str,
    password: str | None = None,
    epsilon: float | None = None,
    delta: float | None = None,
    tls_authority: str | os.PathLike[str] | None = None,
) -> Connection:
    """Logs in to a server: `graunt serve --flight`.

    Args:
        uri: `grpc://host:port` on this machine, or `grpc+tls://host:port`.
        analyst: the name that `graunt analyst add` was given.
        password: the one that it printed; by default the environment's `GRAUNT_PASSWORD`.
        epsilon: privacy loss of each question, from 0.001 to 10000; by default the server's.
        delta: failure probability of each question, above 0 and at most 0.01; by default the
            server's.
        tls_authority: PEM file of the authority that signed the server's certificate; by default
            those that this machine trusts.

    Raises:
        graunt.Unauthorized: name or password are wrong.
        graunt.Untrusted: the server's certificate is of nobody whom this machine trusts.
        graunt.Error: the server cannot be reached, there is no password, or it would travel
            unencrypted.
        ValueError: epsilon or delta is no positive number.
    """
    terms = (_positive("epsilon", epsilon), _positive("delta", delta))
    _check_way(uri)
    if not analyst or ":" in analyst:
        raise ValueError("an analyst has a name, which holds no colon")
    if password is None:
        password = os.environ.get("GRAUNT_PASSWORD")
    if not password:
        raise errors.Error(
            "there is no password", code="usage", hint="give it, or set GRAUNT_PASSWORD"
        )
    options = {"username": analyst, "password": password}
    if tls_authority is not None:
        roots = adbc_driver_flightsql.DatabaseOptions.TLS_ROOT_CERTS.value
        options[roots] = Path(tls_authority).read_text(encoding="ascii")
    try:
        # The server has no transactions: a charge cannot be rolled back.
        driver = dbapi.connect(uri, db_kwargs=options, autocommit=True)
    except dbapi.Error as error:
        raise errors.from_driver(error) from error
    return Connection(driver, uri=uri, analyst=analyst, terms=terms)


class Connection:
    """A session with a server, made by `graunt.connect`; use it in a `with` statement.

    It may be shared between threads, which then ask one after the other.
    """

    def __init__(
        self,
        driver: dbapi.Connection,
        *,
        uri: str,
        analyst: str,
        terms: tuple[float | None, float | None],
    ) -> None:
        self._driver = driver
        self._uri = uri
        self._analyst = analyst
        self._terms = terms
        # What the session is known to hold. Settings, question and receipt go together, so
        # whoever asks holds the lock for all three.
        self._settings: dict[str, str | None] = {"epsilon": None, "delta": None}
        self._lock = threading.RLock()

    def sql(
        self,
        text: str,
        parameters: Sequence[Any] | None = None,
        *,
        epsilon: float | None = None,
        delta: float | None = None,
        intervals: bool = True,
    ) -> Answer:
        """Asks a question, which is charged; the same question again costs nothing.

        Args:
            text: one statement of SQL, with `$1`, `$2`, … for parameters. What `SET` says of
                epsilon and delta is overridden by the arguments here and of `connect`.
            parameters: their values in order: numbers, text, booleans, dates, None.
            epsilon: privacy loss of this question, instead of the connection's.
            delta: failure probability of this question, instead of the connection's.
            intervals: whether intervals are asked for as well; they cost nothing more.

        Raises:
            graunt.Rejected, graunt.Exhausted: nothing was charged.
            graunt.Untrusted: records or ledger are not as attested; nothing is released.
            graunt.Cancelled: the question was taken back; see its `is_charged`.
            graunt.Failed: something failed after the charge, which stands.
            graunt.Error: the server cannot be reached, or says something else.
        """
        with self._lock:
            self._apply(epsilon, delta)
            self._set("intervals", "on" if intervals else "off")
            try:
                table = self._table(text, parameters)
            finally:
                if _SETTING.match(text):
                    # Nobody knows here what it has set; so all is said again before the next.
                    self._settings.clear()
            query = metadata(table.schema).get("graunt.query")
            receipt, receipt_error = (None, None) if query is None else self._last_receipt(query)
        return Answer(
            table, sql=text, has_intervals=intervals, receipt=receipt, receipt_error=receipt_error
        )

    def estimate(
        self,
        text: str,
        parameters: Sequence[Any] | None = None,
        *,
        epsilon: float | None = None,
        delta: float | None = None,
    ) -> Estimate:
        """Tells how noisy an answer would be and what it would cost; nothing is charged.

        Arguments and errors are those of `sql`.
        """
        with self._lock:
            self._apply(epsilon, delta)
            return Estimate.from_table(self._table(f"ESTIMATE {text}", parameters))

    def explain(self, text: str, parameters: Sequence[Any] | None = None) -> str:
        """Shows the plan of a question and whose rows each step holds; nothing is charged.

        Raises:
            graunt.Rejected: it breaks a rule.
        """
        with self._lock:
            self._apply(None, None)
            table = self._table(f"EXPLAIN {text}", parameters)
        return "\n".join(str(line) for line in table.column(0).to_pylist())

    def tables(self) -> list[str]:
        """The names of the population's tables, in the server's order.

        Raises:
            graunt.Error: the server cannot be reached.
        """
        with self._lock:
            try:
                reader = self._driver.adbc_get_objects(depth="tables")
                catalogues = reader.read_all().to_pylist()
            except _DRIVER_ERRORS as error:
                raise errors.from_driver(error) from error
        return [
            str(table["table_name"])
            for catalogue in catalogues
            for schema in catalogue["catalog_db_schemas"] or ()
            for table in schema["db_schema_tables"] or ()
        ]

    def columns(self, table: str) -> list[Column]:
        """The columns of a table, in order.

        Raises:
            graunt.Rejected: there is no such table.
            graunt.Error: the server cannot be reached.
        """
        with self._lock:
            try:
                schema = self._driver.adbc_get_table_schema(table)
            except _DRIVER_ERRORS as error:
                if str(error).startswith("NOT_FOUND"):
                    message = f"there is no table {table}"
                    hint = "tables() lists those there are"
                    raise errors.Rejected(message, code="R-TABLE", hint=hint) from error
                raise errors.from_driver(error) from error
        return [_column(found) for found in schema]

    def budget(self) -> Budget | None:
        """The account of the population; None if the server shows none.

        Raises:
            graunt.Error: the server cannot be reached, or says something else.
        """
        text = self._shown("budget")
        try:
            value = json.loads(text) if text else None
            return None if value is None else Budget.from_json(value)
        except (KeyError, TypeError, ValueError) as error:
            message = "the server's budget cannot be read by this version of the package"
            raise errors.Error(message, code="protocol") from error

    def close(self) -> None:
        """Ends the session; answers stay as they are. Closing twice is no error."""
        self._driver.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"graunt.connect({self._uri!r}, analyst={self._analyst!r})"

    def _apply(self, epsilon: float | None, delta: float | None) -> None:
        """Has the session ask at these terms, else at the connection's, else at the server's."""
        given = (_positive("epsilon", epsilon), _positive("delta", delta))
        for name, value, default in zip(("epsilon", "delta"), given, self._terms):
            chosen = value if value is not None else default
            # Written so that it reads back as the same number.
            self._set(name, None if chosen is None else repr(chosen))

    def _set(self, name: str, value: str | None) -> None:
        if name in self._settings and self._settings[name] == value:
            return
        # Until the server has said yes, nothing is known of the setting.
        self._settings.pop(name, None)
        command = f"RESET graunt.{name}" if value is None else f"SET graunt.{name} = {value}"
        self._table(command)
        self._settings[name] = value

    def _last_receipt(self, query: str) -> tuple[str | None, errors.Error | None]:
        """The receipt of the last answer, or why there is none.

        The answer was charged and is there: that its receipt is not must not lose it.
        """
        try:
            text = self._shown("receipt")
        except errors.Error as error:
            return None, error
        if not text:
            return None, None
        try:
            of = json.loads(text).get("intent", {}).get("query", query)
        except (AttributeError, ValueError):
            return None, errors.Error("the server's receipt cannot be read", code="protocol")
        if of != query:
            return None, errors.Untrusted(
                "the server gave the receipt of another question", code="untrusted"
            )
        return text, None

    def _shown(self, name: str) -> str | None:
        table = self._table(f"SHOW graunt.{name}")
        if table.num_rows == 0 or table.num_columns == 0:
            return None
        value = table.column(0)[0].as_py()
        return None if value is None else str(value)

    def _table(self, text: str, parameters: Sequence[Any] | None = None) -> Any:
        """Asks, and takes all that is answered: errors may come with the last row only."""
        if parameters is not None and isinstance(parameters, (str, bytes, Mapping)):
            raise TypeError("parameters are a sequence of values, for $1, $2, … in order")
        bound = list(parameters) if parameters else None
        with self._lock:
            try:
                with self._driver.cursor() as cursor:
                    cursor.execute(text, bound)
                    return cursor.fetch_arrow_table()
            except _DRIVER_ERRORS as error:
                raise errors.from_driver(error) from error


def _column(found: Any) -> Column:
    about = found.metadata or {}
    return Column(
        name=found.name,
        kind=str(found.type),
        is_nullable=bool(found.nullable),
        about={key.decode(): value.decode("utf-8", "replace") for key, value in about.items()},
    )


def _positive(name: str, value: float | None) -> float | None:
    """A term as a float; the server knows the range, and this keeps out what is no number."""
    if value is None:
        return None
    value = float(value)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is a positive number, not {value}")
    return value


def _check_way(uri: str) -> None:
    """Refuses a way on which the password could be read, before it is sent."""
    parts = urlsplit(uri)
    if parts.scheme not in ("grpc", "grpc+tcp", "grpc+tls") or not parts.hostname:
        raise errors.Error(
            f"{parts.scheme or 'this'} is no way to a server",
            code="usage",
            hint="give grpc://host:port, or grpc+tls://host:port",
        )
    if parts.username is not None or parts.password is not None:
        raise errors.Error("the address holds a name or password", code="usage")
    if parts.scheme != "grpc+tls" and not _is_here(parts.hostname):
        raise errors.Error(
            f"the password would travel to {parts.hostname} unencrypted",
            code="usage",
            hint="use grpc+tls://, or a tunnel to this machine",
        )


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# Errors of a stream come as those of Arrow or of the operating system.
_DRIVER_ERRORS = (dbapi.Error, pa.ArrowException, OSError)

_SETTING = re.compile(r"\s*(SET|RESET|DISCARD|ROLLBACK|ABORT)\b", re.IGNORECASE)
