"""polars.read_database_uri against the PostgreSQL door, in each of connectorx's protocols.

Not about partition_on, which asks for the smallest and largest person_id.
"""

import polars as pl

from checks import (
    BY_SEX, DATES, JOINED, SMALL, TINY, TINY_PASSWORD, TYPED, Checks, must, must_be_by_sex,
    must_fail, spent_nano, uri,
)

YEAR = 1995
checks = Checks("polars")
check = checks.check


def main():
    asked = TYPED.format(year=YEAR)
    rows = []
    # connectorx pastes the question into COPY (…) TO STDOUT for `binary`, its default, and `csv`.
    for protocol in ("cursor", "simple", "binary", "csv"):
        with check(f"a count by sex by protocol={protocol} has text, int8 and float8"):
            frame = pl.read_database_uri(asked, uri(), protocol=protocol)
            kinds = [pl.String, pl.Int64, pl.Float64]
            must(frame.dtypes == kinds, frame.schema)
            must_be_by_sex(frame.rows())
            rows = rows or frame.rows()
            must(frame.rows() == rows, "another answer")
    with check("dates are dates"):
        frame = pl.read_database_uri(DATES, uri(), protocol="cursor")
        must(frame.schema["visit_start_date"] == pl.Date, frame.schema)
    with check("the same question again is free"):
        spent = spent_nano()
        pl.read_database_uri(asked, uri(), protocol="cursor")
        must(spent_nano() == spent, "it was charged")
    with check("a suppressed group is absent"):
        frame = pl.read_database_uri(SMALL, uri(), protocol="cursor")
        must(0 < frame.height < 8, frame)
    with check("a refusal shows its code"):
        ask = lambda: pl.read_database_uri(JOINED, uri(), protocol="cursor")  # noqa: E731
        must_fail(ask, r"\[R-JOIN-PERSON\]")
    with check("a refusal inside COPY shows its code"):
        must_fail(lambda: pl.read_database_uri(JOINED, uri()), r"\[R-JOIN-PERSON\]")
    with check("an exhausted budget is explained"):
        tiny, new = uri(TINY, TINY_PASSWORD), BY_SEX.format(year=YEAR - 20)
        must_fail(lambda: pl.read_database_uri(new, tiny, protocol="cursor"), r"\[exhausted\]")
    with check("partition_on is refused, since it asks for persons' ids"):
        ask = lambda: pl.read_database_uri(  # noqa: E731
            "SELECT * FROM person", uri(), partition_on="person_id", partition_num=2
        )
        must_fail(ask, r"\[R-[A-Z-]+\]")
    checks.end()


main()
