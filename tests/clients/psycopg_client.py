"""psycopg 3 against the PostgreSQL door: types, parameters, notices, errors and cancellation.

Not a test of the answers' statistics, nor of load.
"""

import datetime
import threading
import time

import psycopg
from psycopg import errors

from checks import (
    BY_SEX, COST, DATES, FREE, JOINED, LEFT, ROWS, SLOW, SMALL, TINY, TINY_PASSWORD, TYPED,
    UNSHOWN, Checks, dsn, must, must_be_by_sex, must_fail, must_match, spent_nano, verify,
)

YEAR = 1992
checks = Checks("psycopg")
check = checks.check


class Session:
    """A connection with autocommit, and the notices of its last question."""

    def __init__(self, **more):
        self.connection = psycopg.connect(dsn(**more), autocommit=True, connect_timeout=20)
        self.notices = []
        self.connection.add_notice_handler(lambda n: self.notices.append(n.message_primary))

    def ask(self, sql, params=None, **how):
        """Rows of a question."""
        self.notices.clear()
        return self.connection.execute(sql, params, **how).fetchall()

    @property
    def told(self):
        """All notices of the last question."""
        return "\n".join(self.notices)


def metadata(session):
    with check("lists tables and columns"):
        tables = session.ask(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = current_schema() ORDER BY table_name"
        )
        must(("person",) in tables and ("cost",) in tables, tables)
        columns = session.ask(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
            "WHERE table_name = %s ORDER BY ordinal_position", ("person",)
        )
        must(("gender_concept_id", "bigint", "NO") in columns, columns)
        must(("year_of_birth", "bigint", "YES") in columns, columns)


def answers(session):
    sql = TYPED.format(year=YEAR)
    rows = []
    with check("a count by sex has text, int8 and float8"):
        rows += session.ask(sql)
        must_be_by_sex(rows)
    with check("a notice carries cost and what is left"):
        must_match(COST, session.told)
        must_match(LEFT, session.told)
    with check("the same question again is free and gives the same answer"):
        spent = spent_nano()
        must(session.ask(sql) == rows, "another answer")
        must_match(FREE, session.told)
        must(spent_nano() == spent, "it was charged")
    with check("binary results are the same"):
        must(session.ask(sql, binary=True) == rows, "another answer")
    with check("dates are dates"):
        for text in (session.ask(DATES), session.ask(DATES, binary=True)):
            must(text and all(type(day) is datetime.date for day, _ in text), text)
    with check("a suppressed group is absent, and a notice says so"):
        must(0 < len(session.ask(SMALL)) < 8, "all or none is shown")
        must_match(UNSHOWN, session.told)
    with check("SHOW graunt.receipt is accepted by graunt verify"):
        session.ask(sql)
        verify(session.ask("SHOW graunt.receipt")[0][0])


def parameters(session):
    asked = "SELECT COUNT(*) AS n FROM person WHERE gender_concept_id = %s AND year_of_birth < %s"
    bare = asked.replace("%s", "{}")
    with check("parameters give the answer of the same question with literals"):
        literal = session.ask(bare.format(8507, YEAR))
        must(session.ask(asked, (8507, YEAR)) == literal, "another answer")
        must_match(FREE, session.told)
    with check("prepared statements, seven times"):
        must(all(session.ask(asked, (8507, YEAR)) == literal for _ in range(7)), "another answer")
        must(session.ask(asked, (8507, YEAR), prepare=True) == literal, "another answer")
    with check("text, date and float parameters"):
        session.ask("SELECT COUNT(*) FROM cost WHERE cost_domain_id = %s", ("Drug",))
        since = datetime.date(2020, 1, 1)
        session.ask("SELECT COUNT(*) FROM visit_occurrence WHERE visit_start_date >= %s", (since,))
        session.ask("SELECT COUNT(*) FROM measurement WHERE value_as_number > %s", (120.5,))
    with check("describing a statement costs nothing"):
        spent = spent_nano()
        query = BY_SEX.format(year=YEAR + 1000).encode()
        session.connection.pgconn.prepare(b"described", query)
        found = session.connection.pgconn.describe_prepared(b"described")
        names = [found.fname(i) for i in range(found.nfields)]
        must(names == [b"gender_concept_id", b"n"], names)
        must(found.ftype(1) == 20, f"type {found.ftype(1)}")
        must(spent_nano() == spent, "it was charged")


def refusals(session):
    with check("a join without the person key shows code, hint and position"):
        error = must_fail(lambda: session.ask(JOINED), r"\[R-JOIN-PERSON\]")
        must_match("person_id", error.diag.message_hint)
        must(error.sqlstate == "0A000", error.sqlstate)
        must(error.diag.statement_position, "no position")
    with check("rows of persons are refused with code and hint"):
        error = must_fail(lambda: session.ask(ROWS), r"\[R-ROWS\]")
        must_match("aggregate", error.diag.message_hint)
    states = {
        "SELEC 1": "42601",
        "SELECT COUNT(*) FROM nope": "42P01",
        "SELECT nope FROM person": "42703",
        "SELECT foo(1) FROM person": "42883",
        "INSERT INTO person VALUES (1)": "0A000",
        "DELETE FROM person": "0A000",
    }
    for sql, state in states.items():
        with check(f"{sql!r} is refused as {state}"):
            error = must_fail(lambda sql=sql: session.ask(sql), r"^\[R-[A-Z-]+\]")
            must(error.sqlstate == state, error.sqlstate)
    with check("an exhausted budget is explained"):
        tiny = Session(user=TINY, password=TINY_PASSWORD)
        error = must_fail(lambda: tiny.ask(BY_SEX.format(year=YEAR - 20)), r"\[exhausted\]")
        must(error.sqlstate == "53400", error.sqlstate)
        tiny.connection.close()


def settings(session):
    sql = TYPED.format(year=YEAR)
    with check("SET graunt.intervals = on adds _lo and _hi"):
        session.connection.execute("SET graunt.intervals = on")
        cursor = session.connection.execute(sql)
        names = [column.name for column in cursor.description]
        must({"n_lo", "n_hi", "born_lo", "born_hi"} <= set(names), names)
        for row in cursor.fetchall():
            cell = dict(zip(names, row))
            must(cell["n_lo"] <= cell["n"] <= cell["n_hi"], cell)
        session.connection.execute("SET graunt.intervals = off")
    with check("SET graunt.epsilon is shown, reset, and refused out of range"):
        session.connection.execute("SET graunt.epsilon = 0.5")
        must(float(session.ask("SHOW graunt.epsilon")[0][0]) == 0.5, "not 0.5")
        session.connection.execute("RESET graunt.epsilon")
        must(float(session.ask("SHOW graunt.epsilon")[0][0]) == 1.0, "not 1")
        must_fail(lambda: session.connection.execute("SET graunt.epsilon = 'much'"))
    with check("cost, budget and notes are shown"):
        for name in ("cost", "budget", "notes"):
            must(session.ask(f"SHOW graunt.{name}")[0][0], f"no {name}")
    with check("EXPLAIN and ESTIMATE tell and charge nothing"):
        spent, new = spent_nano(), BY_SEX.format(year=YEAR + 500)
        cursor = session.connection.execute(f"EXPLAIN {new}")
        must(cursor.description[0].name == "QUERY PLAN", cursor.description)
        must_match("person", str(cursor.fetchall()))
        session.notices.clear()
        cursor = session.connection.execute(f"ESTIMATE {new}")
        names = [column.name for column in cursor.description]
        must(names[:3] == ["column", "noise", "half_width"], names)
        must(cursor.fetchall(), "no rows")
        must_match("rho", session.told)
        must(spent_nano() == spent, "it was charged")


def cancellation(session):
    for how, least in (("cancel", 1), ("cancel_safe", 2)):
        with check(f"{how} ends a slow question, or comes too late, and the ledger agrees"):
            spent = spent_nano()
            session.notices.clear()
            threading.Timer(0.3, getattr(session.connection, how)).start()
            began = time.monotonic()
            try:
                session.connection.execute(SLOW.format(least=least)).fetchall()
            except errors.QueryCanceled as error:
                must_match(r"\[cancelled\]", str(error))
                must("nothing was charged" not in str(error) or spent_nano() == spent, "charged")
            except psycopg.Error as error:
                must(error.sqlstate == "XX000", f"{error.sqlstate} {error}")
            else:
                must_match(COST, session.told)
            must(time.monotonic() - began < 60, "it took more than a minute")
            must(session.ask("SELECT 1")[0][0] == 1, "the connection is of no use any more")


def transactions():
    with check("a transaction, its failure and its end"):
        with psycopg.connect(dsn()) as connection:
            connection.execute("SELECT 1")
            must_fail(lambda: connection.execute(ROWS), r"\[R-ROWS\]")
            error = must_fail(lambda: connection.execute("SELECT 1"))
            must(error.sqlstate == "25P02", error.sqlstate)
            connection.rollback()
            must(connection.execute("SELECT 1").fetchone()[0] == 1, "not usable")
            connection.commit()
    with check("a pipeline and a stream"):
        with psycopg.connect(dsn(), autocommit=True) as connection:
            with connection.pipeline():
                one, two = connection.execute("SELECT 1"), connection.execute("SELECT 2")
            must((one.fetchone()[0], two.fetchone()[0]) == (1, 2), "other rows")
            streamed = list(connection.cursor().stream(BY_SEX.format(year=YEAR)))
            must(len(streamed) == 2, streamed)


def logins():
    with check("a wrong password is refused as 28P01"):
        must_fail(lambda: Session(password="wrong"), "password|login|unauthorized")
    with check("an unknown analyst is refused in the same words"):
        wrong = str(must_fail(lambda: Session(password="wrong"))).replace("ada", "X")
        unknown = str(must_fail(lambda: Session(user="nobody"))).replace("nobody", "X")
        must(wrong == unknown, f"{wrong!r} and {unknown!r}")
    with check("an unknown population is refused"):
        must_fail(lambda: Session(population="nowhere"), "nowhere")


def main():
    session = None
    with check("connects with SCRAM"):
        session = Session()
        must(session.ask("SELECT 1")[0][0] == 1, "no answer")
        # Set by libpq when the server asked for a password and took it.
        must(session.connection.pgconn.used_password, "no password was asked for")
    if session:
        for part in (metadata, answers, parameters, refusals, settings, cancellation):
            part(session)
        transactions()
    logins()
    checks.end()


main()
