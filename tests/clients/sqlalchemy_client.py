"""SQLAlchemy against the PostgreSQL door: the dialect's start, its inspection, and Core queries.

Not about the ORM: tables of a population have no rows to map.
"""

import sqlalchemy as sa

from checks import (
    JOINED, TINY, TINY_PASSWORD, TYPED, BY_SEX, Checks, must, must_be_by_sex, must_fail,
    must_match, spent_nano, uri, verify,
)

YEAR = 1993
SCHEME = "postgresql+psycopg"
checks = Checks("sqlalchemy")
check = checks.check


def inspection(engine):
    inspector = sa.inspect(engine)
    with check("lists schemas and tables"):
        must("public" in inspector.get_schema_names(), inspector.get_schema_names())
        tables = inspector.get_table_names()
        must({"person", "cost", "concept"} <= set(tables), tables)
        must(inspector.has_table("person") and not inspector.has_table("nope"), "has_table")
    with check("lists columns with types"):
        columns = {c["name"]: c for c in inspector.get_columns("measurement")}
        must(isinstance(columns["person_id"]["type"], sa.BIGINT), columns["person_id"])
        number = columns["value_as_number"]["type"]
        must(isinstance(number, (sa.Float, sa.DOUBLE_PRECISION)), number)
        must(isinstance(columns["measurement_date"]["type"], sa.DATE), columns)
        must(not columns["person_id"]["nullable"], "person_id is nullable")
    with check("asks for keys, indexes and comments"):
        for ask in ("get_pk_constraint", "get_foreign_keys", "get_indexes", "get_view_names",
                    "get_unique_constraints", "get_check_constraints", "get_table_comment"):
            getattr(inspector, ask)(*([] if ask == "get_view_names" else ["person"]))
    tables = sa.MetaData()
    with check("reflects all tables"):
        tables.reflect(engine)
        must("gender_concept_id" in tables.tables["person"].c, "no column")
    return tables


def answers(engine, tables):
    with check("a count by sex has text, int8 and float8"):
        with engine.connect() as connection:
            rows = connection.execute(sa.text(TYPED.format(year=YEAR))).fetchall()
            must_be_by_sex([tuple(row) for row in rows])
    with check("a query of Core, with bound parameters, twice, is charged once"):
        person = tables.tables["person"]
        query = (
            sa.select(person.c.gender_concept_id, sa.func.count().label("n"))
            .where(person.c.year_of_birth.between(1950, YEAR))
            .group_by(person.c.gender_concept_id)
            .order_by(person.c.gender_concept_id)
        )
        with engine.connect() as connection:
            first = connection.execute(query).fetchall()
            spent = spent_nano()
            must(connection.execute(query).fetchall() == first, "another answer")
            must(len(first) >= 2 and spent_nano() == spent, f"{first}, or charged again")
    with check("SHOW graunt.receipt in one connection is accepted by graunt verify"):
        with engine.connect() as connection:
            connection.execute(sa.text(TYPED.format(year=YEAR))).fetchall()
            verify(connection.execute(sa.text("SHOW graunt.receipt")).scalar_one())
    with check("SET graunt.intervals = on adds columns"):
        with engine.connect() as connection:
            connection.execute(sa.text("SET graunt.intervals = on"))
            keys = connection.execute(sa.text(TYPED.format(year=YEAR))).keys()
            must({"n_lo", "n_hi"} <= set(keys), list(keys))
            connection.execute(sa.text("SET graunt.intervals = off"))


def refusals(engine):
    with check("a refusal shows its code and hint"):
        with engine.connect() as connection:
            error = must_fail(
                lambda: connection.execute(sa.text(JOINED)), r"\[R-JOIN-PERSON\]"
            )
            must_match("person_id", error.orig.diag.message_hint)
    with check("the pool gives a good connection after a refusal"):
        with engine.connect() as connection:
            must(connection.execute(sa.text("SELECT 1")).scalar_one() == 1, "no answer")
    with check("an exhausted budget is explained"):
        tiny = sa.create_engine(uri(TINY, TINY_PASSWORD, scheme=SCHEME))
        with tiny.connect() as connection:
            asked = sa.text(BY_SEX.format(year=YEAR - 20))
            must_fail(lambda: connection.execute(asked), r"\[exhausted\]")
        tiny.dispose()
    with check("a wrong password is refused"):
        wrong = sa.create_engine(uri(password="wrong", scheme=SCHEME))
        must_fail(wrong.connect, "password|login|unauthorized")


def main():
    engine = sa.create_engine(uri(scheme=SCHEME), pool_pre_ping=True)
    tables = None
    with check("connects"):
        with engine.connect() as connection:
            must(connection.execute(sa.text("SELECT 1")).scalar_one() == 1, "no answer")
            must(connection.dialect.server_version_info >= (9, 6), "version")
        tables = inspection(engine)
    if tables is not None:
        answers(engine, tables)
    refusals(engine)
    engine.dispose()
    checks.end()


main()
