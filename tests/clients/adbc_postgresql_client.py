"""The ADBC driver for PostgreSQL: it reads by COPY (question) TO STDOUT (FORMAT binary).

Not the door that Arrow users should take (that is Flight SQL), but one that some tools take.
"""

import adbc_driver_postgresql.dbapi as postgresql

from checks import (
    DATES, JOINED, TYPED, Checks, must, must_be_by_sex, must_fail, spent_nano, uri,
)

YEAR = 1997
checks = Checks("adbc-postgresql")
check = checks.check


def ask(connection, sql, params=None, copy=True):
    """The answer as an Arrow table."""
    with connection.cursor() as cursor:
        if not copy:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        cursor.execute(sql, params)
        return cursor.fetch_arrow_table()


def main():
    connection = None
    asked = TYPED.format(year=YEAR)
    with check("connects, and learns the types"):
        connection = postgresql.connect(uri(), autocommit=True)
    if not connection:
        checks.end()
    with check("a count by sex without COPY"):
        table = ask(connection, asked, copy=False)
        must_be_by_sex([tuple(row.values()) for row in table.to_pylist()])
    with check("a count by sex by COPY is the same, and free"):
        spent = spent_nano()
        must(ask(connection, asked).to_pylist() == table.to_pylist(), "another answer")
        must(spent_nano() == spent, "it was charged")
    with check("dates are dates"):
        must(str(ask(connection, DATES).schema.field(0).type) == "date32[day]", "no dates")
    with check("parameters"):
        bound = "SELECT COUNT(*) AS n FROM person WHERE year_of_birth < $1"
        must(ask(connection, bound, (YEAR,)).to_pylist()[0]["n"] > 1000, "few persons")
    with check("lists tables and the columns of one"):
        for depth in ("tables", "all"):
            objects = connection.adbc_get_objects(depth=depth, table_types_filter=["table"])
            objects = str(objects.read_all().to_pylist())
            must("visit_occurrence" in objects, f"no tables: {objects[:200]}")
        must("the person's pseudonym" in objects, "no comments of columns")
        schema = connection.adbc_get_table_schema("person")
        must("gender_concept_id" in schema.names, schema)
    with check("a refusal shows its code"):
        must_fail(lambda: ask(connection, JOINED), r"\[R-JOIN-PERSON\]")
    with check("the connection is good after a refusal"):
        must(ask(connection, "SELECT 1 AS one").num_rows == 1, "no answer")
    connection.close()
    checks.end()


main()
