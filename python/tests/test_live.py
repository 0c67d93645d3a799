"""The contract with a real server, on the population of `graunt demo`.

It charges about what three questions at epsilon 0.1 cost, and only the first time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import graunt

COUNT = "SELECT gender_concept_id, COUNT(*) AS n FROM person GROUP BY gender_concept_id"
BORN = "SELECT COUNT(*) AS n FROM person WHERE year_of_birth < $1"


@pytest.fixture
def population(live: dict[str, str]) -> Iterator[graunt.Connection]:
    with graunt.connect(
        live["GRAUNT_FLIGHT"], analyst=live["GRAUNT_ANALYST"], epsilon=0.1
    ) as connection:
        yield connection


def test_an_answer_has_intervals_cost_and_its_receipt(population: graunt.Connection) -> None:
    answer = population.sql(COUNT)
    assert answer.columns == ["gender_concept_id", "n"]
    assert answer.intervals == {"n": ("n_lo", "n_hi")}
    assert all(row["n_lo"] <= row["n"] <= row["n_hi"] for row in answer.rows())
    assert answer.cost is not None and answer.left is not None and answer.query
    assert answer.receipt()["intent"]["query"] == answer.query
    repeat = population.sql(COUNT)
    assert repeat.is_repeat and repeat.cost is not None and repeat.cost.is_zero
    assert repeat.rows() == answer.rows()


def test_intervals_can_be_left_out(population: graunt.Connection) -> None:
    assert population.sql(COUNT, intervals=False).arrow().column_names == ["gender_concept_id", "n"]


def test_parameters_are_bound(population: graunt.Connection) -> None:
    answer = population.sql(BORN, [1960])
    assert len(answer) == 1 and answer.rows()[0]["n"] > 0
    assert answer.query != population.sql(BORN, [1961]).query


def test_an_estimate_and_a_plan_charge_nothing(population: graunt.Connection) -> None:
    before = population.budget()
    estimate = population.estimate(f"{COUNT} ORDER BY n", epsilon=0.05)
    assert estimate.columns and min(estimate.half_width.values()) > 0
    assert estimate.cost is not None and not estimate.cost.is_zero
    assert "person" in population.explain(COUNT)
    assert population.budget() == before and before is not None


def test_terms_change_what_it_would_cost(population: graunt.Connection) -> None:
    low, high = population.estimate(COUNT, epsilon=0.05), population.estimate(COUNT, epsilon=0.5)
    assert low.cost is not None and high.cost is not None
    assert low.cost.rho_nano < high.cost.rho_nano
    assert min(low.noise.values()) > min(high.noise.values())


def test_tables_and_columns_are_listed(population: graunt.Connection) -> None:
    assert "person" in population.tables()
    columns = {column.name: column for column in population.columns("person")}
    assert columns["person_id"].kind == "int64"
    with pytest.raises(graunt.Rejected):
        population.columns("no_such_table")


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM person", "R-ROWS"),
        ("SELECT nocolumn FROM person", "R-COLUMN"),
        ("SELECT COUNT(*) FROM no_such_table", "R-TABLE"),
        ("SELEC", "R-SYNTAX"),
    ],
)
def test_refusals_have_their_rule(population: graunt.Connection, sql: str, code: str) -> None:
    with pytest.raises(graunt.Rejected) as caught:
        population.sql(sql)
    assert caught.value.code == code
    assert not caught.value.message.startswith("[")


def test_a_place_is_told(population: graunt.Connection) -> None:
    with pytest.raises(graunt.Rejected) as caught:
        population.sql("SELECT nocolumn FROM person")
    assert (caught.value.line, caught.value.column) == (1, 8)


def test_more_than_the_account_holds_is_exhausted(population: graunt.Connection) -> None:
    with pytest.raises(graunt.Exhausted):
        population.sql(COUNT, epsilon=500)


def test_a_wrong_password_is_unauthorized(live: dict[str, str]) -> None:
    with pytest.raises(graunt.Unauthorized):
        graunt.connect(
            live["GRAUNT_FLIGHT"], analyst=live["GRAUNT_ANALYST"], password="not the password"
        )


def test_the_receipt_of_an_answer_verifies(population: graunt.Connection) -> None:
    if not os.environ.get("GRAUNT_BIN"):
        pytest.skip("skipped: GRAUNT_BIN is not set")
    policy = os.environ.get("GRAUNT_POLICY")
    answer = population.sql(COUNT)
    verification = graunt.verify(answer, policy=policy, self_asserted=policy is None)
    assert verification.checks and not verification.is_redacted
