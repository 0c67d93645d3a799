"""The ADBC driver for Flight SQL: Arrow types, metadata of the schema, catalogue and sessions.

Not about gRPC itself; the driver is written in Go and prepares every statement.
"""

import datetime
import json

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa

from checks import (
    BY_SEX, DATES, FLIGHT, JOINED, PASSWORD, ROWS, SMALL, TINY, TINY_PASSWORD, TYPED, USER,
    Checks, must, must_be_by_sex, must_fail, must_match, spent_nano, verify,
)

YEAR = 1996
checks = Checks("adbc-flightsql")
check = checks.check


def connect(user=USER, password=PASSWORD):
    """A connection of its own, with a bearer token of its own."""
    login = {"username": user, "password": password}
    return flightsql.connect(f"grpc://{FLIGHT}", db_kwargs=login, autocommit=True)


def ask(connection, sql, params=None):
    """The answer as an Arrow table."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetch_arrow_table()


def noted(table, key):
    """A value of the schema's metadata, parsed."""
    metadata = table.schema.metadata or {}
    must(f"graunt.{key}".encode() in metadata, f"no graunt.{key} among {list(metadata)}")
    return json.loads(metadata[f"graunt.{key}".encode()])


def catalogue(connection):
    with check("lists tables and columns"):
        found = connection.adbc_get_objects(depth="all").read_all().to_pylist()
        tables = {
            table["table_name"]: [column["column_name"] for column in table["table_columns"]]
            for entry in found
            for schema in entry["catalog_db_schemas"]
            for table in schema["db_schema_tables"]
        }
        must("gender_concept_id" in tables.get("person", []), list(tables))
    with check("tells the schema of one table, types of tables, and its own name"):
        schema = connection.adbc_get_table_schema("person")
        must(schema.field("gender_concept_id").type == pa.int64(), schema)
        must(connection.adbc_get_table_types(), "no types")
        must(connection.adbc_get_info().get("vendor_name"), "no name")


def answers(connection):
    asked = TYPED.format(year=YEAR)
    first = None
    with check("a count by sex has text, int64 and float64"):
        first = ask(connection, asked)
        kinds = [first.schema.field(name).type for name in ("sex", "n", "born")]
        must(kinds[0] in (pa.string(), pa.large_string(), pa.string_view()), kinds)
        must(kinds[1:] == [pa.int64(), pa.float64()], kinds)
        must_be_by_sex([tuple(row.values()) for row in first.to_pylist()])
    with check("the schema's metadata carries cost, left, query and notes"):
        must(noted(first, "cost")["rho_nano"] > 0, first.schema.metadata)
        must(noted(first, "left"), "nothing is left")
        must(noted(first, "notes"), "no notes")
        must(noted(first, "is_repeat") is False, "a repeat")
        int((first.schema.metadata or {})[b"graunt.query"], 16)
    with check("the same question again is free and says so"):
        spent = spent_nano()
        again = ask(connection, asked)
        must(again.to_pylist() == first.to_pylist(), "another answer")
        must(noted(again, "is_repeat") is True, "no repeat")
        must(spent_nano() == spent, "it was charged")
    with check("dates are dates"):
        days = ask(connection, DATES).to_pylist()
        must(type(days[0]["visit_start_date"]) is datetime.date, days[0])
    with check("a suppressed group is absent, and a note says so"):
        table = ask(connection, SMALL)
        must(0 < table.num_rows < 8, table.num_rows)
        must_match("not shown", str(noted(table, "notes")))
    with check("parameters, and the same with literals"):
        asked = "SELECT COUNT(*) AS n FROM person "
        bare = asked + "WHERE gender_concept_id = {} AND year_of_birth < {}"
        literal = ask(connection, bare.format(8507, YEAR))
        bound = ask(connection, bare.format("$1", "$2"), (8507, YEAR))
        must(bound.to_pylist() == literal.to_pylist(), "another answer")
    with check("SHOW graunt.receipt is accepted by graunt verify"):
        ask(connection, asked)
        verify(ask(connection, "SHOW graunt.receipt").column(0)[0].as_py())
    with check("the schema of a question costs nothing"):
        spent = spent_nano()
        with connection.cursor() as cursor:
            schema = cursor.adbc_execute_schema(BY_SEX.format(year=YEAR + 1000))
        must(schema.names == ["gender_concept_id", "n"], schema)
        must(spent_nano() == spent, "it was charged")


def settings(connection):
    with check("SET graunt.intervals = on adds _lo and _hi, in this session only"):
        ask(connection, "SET graunt.intervals = on")
        names = ask(connection, TYPED.format(year=YEAR)).schema.names
        must({"n_lo", "n_hi"} <= set(names), names)
        with connect() as other:
            must("n_lo" not in ask(other, TYPED.format(year=YEAR)).schema.names, "in another's")
        ask(connection, "SET graunt.intervals = off")
    with check("EXPLAIN and ESTIMATE tell and charge nothing"):
        spent, new = spent_nano(), BY_SEX.format(year=YEAR + 500)
        must(ask(connection, f"EXPLAIN {new}").num_rows > 0, "no plan")
        must("noise" in ask(connection, f"ESTIMATE {new}").schema.names, "no noise")
        must(spent_nano() == spent, "it was charged")


def refusals(connection):
    with check("a refusal shows its code and hint"):
        must_fail(lambda: ask(connection, JOINED), r"\[R-JOIN-PERSON\]", "hint: .*person_id")
        must_fail(lambda: ask(connection, ROWS), r"\[R-ROWS\]", "hint: ")
    with check("the connection is good after a refusal"):
        must(ask(connection, "SELECT 1 AS one").to_pylist() == [{"one": 1}], "no answer")
    with check("an exhausted budget is explained"):
        with connect(TINY, TINY_PASSWORD) as tiny:
            new = BY_SEX.format(year=YEAR - 20)
            must_fail(lambda: ask(tiny, new), r"\[exhausted\]")
    with check("a wrong password is refused"):
        must_fail(lambda: connect(password="wrong"), "(?i)unauth")


def main():
    connection = None
    with check("connects with user and password"):
        connection = connect()
        must(ask(connection, "SELECT 1 AS one").to_pylist() == [{"one": 1}], "no answer")
    if connection:
        for part in (catalogue, answers, settings, refusals):
            part(connection)
        connection.close()
    checks.end()


main()
