"""pandas.read_sql against the PostgreSQL door, over SQLAlchemy and over a plain connection.

Not about read_sql_table: it reads rows, which is refused.
"""

import pandas as pd
import psycopg
import sqlalchemy as sa

from checks import (
    BY_SEX, DATES, ROWS, SMALL, TINY, TINY_PASSWORD, TYPED, Checks, dsn, must, must_fail,
    spent_nano, uri,
)

YEAR = 1994
SCHEME = "postgresql+psycopg"
checks = Checks("pandas")
check = checks.check


def main():
    engine = sa.create_engine(uri(scheme=SCHEME))
    with check("read_sql gives typed columns"):
        frame = pd.read_sql(TYPED.format(year=YEAR), engine)
        must(list(frame.columns) == ["sex", "n", "born"], list(frame.columns))
        must(frame["n"].dtype == "int64" and frame["born"].dtype == "float64", frame.dtypes)
        must(list(frame["sex"]) == ["men", "women"], frame)
    with check("the same frame again is free"):
        spent = spent_nano()
        must(pd.read_sql(TYPED.format(year=YEAR), engine).equals(frame), "another answer")
        must(spent_nano() == spent, "it was charged")
    with check("dates come as dates"):
        days = pd.read_sql(DATES, engine, parse_dates=["visit_start_date"])
        must(days["visit_start_date"].dt.year.between(2019, 2023).all(), days)
    with check("parameters"):
        asked = sa.text("SELECT COUNT(*) AS n FROM person WHERE year_of_birth < :year")
        must(pd.read_sql(asked, engine, params={"year": YEAR})["n"][0] > 1000, "few persons")
    with check("chunks"):
        asked = sa.text(BY_SEX.format(year=YEAR))
        chunks = list(pd.read_sql(asked, engine, chunksize=1))
        must(len(chunks) == 2, chunks)
    with check("a suppressed group is absent"):
        must(0 < len(pd.read_sql(SMALL, engine)) < 8, "all or none is shown")
    with check("a plain psycopg connection serves too"):
        with psycopg.connect(dsn()) as connection:
            asked = "SELECT COUNT(*) AS n FROM person WHERE year_of_birth < %s"
            must(pd.read_sql(asked, connection, params=(YEAR,))["n"][0] > 1000, "few persons")
    with check("a refusal shows its code and hint"):
        must_fail(lambda: pd.read_sql(ROWS, engine), r"\[R-ROWS\]", "(?i)hint")
    with check("a table as a whole is refused, not read"):
        must_fail(lambda: pd.read_sql_table("person", engine), r"\[R-ROWS\]")
    with check("an exhausted budget is explained"):
        tiny = sa.create_engine(uri(TINY, TINY_PASSWORD, scheme=SCHEME))
        must_fail(lambda: pd.read_sql(BY_SEX.format(year=YEAR - 20), tiny), r"\[exhausted\]")
        tiny.dispose()
    engine.dispose()
    checks.end()


main()
