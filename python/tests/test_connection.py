"""A session says to the server what it should, through the real driver."""

from __future__ import annotations

import datetime
import traceback

import door as doors
import pytest

import graunt

COUNT = "SELECT gender_concept_id, COUNT(*) AS n FROM person GROUP BY gender_concept_id"


def statements(door: doors.Door) -> list[str]:
    return [sql for sql, _ in door.said]


def test_a_question_comes_with_intervals_cost_and_receipt(
    door: doors.Door, population: graunt.Connection
) -> None:
    answer = population.sql(COUNT)
    assert answer.rows()[0] == {
        "gender_concept_id": 8507,
        "n": 14838,
        "n_lo": 14829,
        "n_hi": 14847,
    }
    assert answer.cost is not None and answer.cost.rho_nano == 24355940
    assert answer.query == doors.QUERY and not answer.is_repeat
    assert answer.receipt()["intent"]["query"] == doors.QUERY
    assert population.sql(COUNT).is_repeat
    assert statements(door) == [
        "SET graunt.intervals = on",
        COUNT,
        "SHOW graunt.receipt",
        COUNT,
        "SHOW graunt.receipt",
    ]


def test_without_intervals_there_are_none(population: graunt.Connection) -> None:
    answer = population.sql(COUNT, intervals=False)
    assert answer.columns == ["gender_concept_id", "n"] and answer.intervals == {}


def test_terms_hold_for_one_question_and_go_back(
    door: doors.Door, population: graunt.Connection
) -> None:
    population.sql(COUNT, epsilon=0.5, delta=1e-7)
    population.sql(COUNT, epsilon=0.5, delta=1e-7)
    population.sql(COUNT)
    terms = [sql for sql in statements(door) if "epsilon" in sql or "delta" in sql]
    assert terms == [
        "SET graunt.epsilon = 0.5",
        "SET graunt.delta = 1e-07",
        "RESET graunt.epsilon",
        "RESET graunt.delta",
    ]


def test_terms_of_the_connection_are_those_of_each_question(door: doors.Door) -> None:
    with graunt.connect(
        door.uri, analyst="ada", password=doors.PASSWORD, epsilon=0.25
    ) as population:
        population.sql(COUNT)
        population.sql(COUNT, epsilon=1)
        population.estimate(COUNT)
    terms = [sql for sql in statements(door) if "epsilon" in sql]
    assert terms == [f"SET graunt.epsilon = {value}" for value in ("0.25", "1.0", "0.25")]


def test_a_setting_by_hand_is_overridden_by_the_next_question(
    door: doors.Door, population: graunt.Connection
) -> None:
    population.sql("SET graunt.epsilon = 3")
    population.sql(COUNT)
    assert "RESET graunt.epsilon" in statements(door)
    assert door.sessions["token0"].settings == {"intervals": "on"}


@pytest.mark.parametrize("term", [0, -1, float("nan"), float("inf")])
def test_a_term_that_is_no_positive_number_is_not_sent(
    door: doors.Door, population: graunt.Connection, term: float
) -> None:
    with pytest.raises(ValueError, match="epsilon is a positive number"):
        population.sql(COUNT, epsilon=term)
    assert door.said == []


def test_parameters_are_bound_in_order(door: doors.Door, population: graunt.Connection) -> None:
    sql = f"{COUNT} HAVING $1 < $2"
    values = [1, 2.5, "a'; --", None, True, datetime.date(2023, 1, 1)]
    population.sql(sql, values)
    assert (sql, values) in door.said


@pytest.mark.parametrize("values", ["abc", {"a": 1}])
def test_parameters_without_an_order_are_refused(
    population: graunt.Connection, values: object
) -> None:
    with pytest.raises(TypeError, match="in order"):
        population.sql(COUNT, values)  # type: ignore[arg-type]


def test_an_estimate_and_a_plan_release_nothing(
    door: doors.Door, population: graunt.Connection
) -> None:
    estimate = population.estimate(COUNT)
    assert estimate.half_width == {"count(*)": 8.88036} and estimate.fits
    assert population.explain(COUNT) == "Aggregate: released\n  TableScan: person"
    assert door.answered == set()


def test_tables_and_columns_are_listed(population: graunt.Connection) -> None:
    assert population.tables() == ["person", "death"]
    columns = population.columns("person")
    assert [column.name for column in columns] == [
        "person_id",
        "gender_concept_id",
        "year_of_birth",
    ]
    assert columns[0] == graunt.Column("person_id", "int64", False, {"graunt.is_unit": "true"})
    with pytest.raises(graunt.Rejected, match="there is no table persons") as caught:
        population.columns("persons")
    assert caught.value.code == "R-TABLE"


def test_the_budget_is_read(population: graunt.Connection) -> None:
    budget = population.budget()
    assert budget is not None
    assert (budget.charges, budget.cap.rho_nano, budget.left.epsilon) == (7, 210876536, 2.0)


@pytest.mark.parametrize(
    ("sql", "kind", "code"),
    [
        ("SELECT * FROM person", graunt.Rejected, "R-ROWS"),
        ("SELECT COUNT(*) FROM death", graunt.Exhausted, "exhausted"),
        ("SELECT COUNT(*) AS fails FROM person", graunt.Failed, "failed"),
        ("SELECT COUNT(*) AS spoilt FROM person", graunt.Untrusted, "untrusted"),
        ("SELECT COUNT(*) AS slow FROM person", graunt.Cancelled, "cancelled"),
    ],
)
def test_refusals_are_raised_by_who_must_act(
    population: graunt.Connection, sql: str, kind: type[graunt.Error], code: str
) -> None:
    with pytest.raises(kind) as caught:
        population.sql(sql)
    assert caught.value.code == code
    assert "Detail" not in str(caught.value) and "FlightSQL" not in str(caught.value)
    # The session goes on after a refusal.
    assert len(population.sql(COUNT)) == 2


def test_a_rejection_has_hint_and_place(population: graunt.Connection) -> None:
    with pytest.raises(graunt.Rejected) as caught:
        population.sql("SELECT * FROM person")
    assert caught.value.hint == "aggregate over persons, for instance SELECT COUNT(*)"
    assert (caught.value.line, caught.value.column) == (1, 8)


def test_an_interrupt_takes_the_question_back(
    door: doors.Door, population: graunt.Connection
) -> None:
    with pytest.raises(graunt.Cancelled) as caught:
        population.sql("SELECT COUNT(*) AS waits FROM person")
    assert caught.value.is_charged is None
    assert caught.value.hint is not None and "budget()" in caught.value.hint
    assert len(population.sql(COUNT)) == 2


def test_an_answer_outlives_a_receipt_that_cannot_be_had(
    door: doors.Door, population: graunt.Connection
) -> None:
    door.receipt_fails = True
    answer = population.sql(COUNT)
    assert len(answer) == 2
    with pytest.raises(graunt.Error, match="the receipt cannot be read"):
        answer.receipt()


def test_a_wrong_password_is_unauthorized_and_is_not_repeated(door: doors.Door) -> None:
    wrong = doors.PASSWORD[::-1]
    with pytest.raises(graunt.Unauthorized) as caught:
        graunt.connect(door.uri, analyst="ada", password=wrong)
    assert wrong not in "".join(traceback.format_exception(caught.value))
    assert caught.value.hint == "graunt analyst password NAME"


def test_the_password_comes_from_the_environment_and_is_not_kept(
    door: doors.Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAUNT_PASSWORD", doors.PASSWORD)
    with graunt.connect(door.uri, analyst="ada") as population:
        assert repr(population) == f"graunt.connect('{door.uri}', analyst='ada')"
        assert doors.PASSWORD not in repr(vars(population))
        population.close()
    monkeypatch.delenv("GRAUNT_PASSWORD")
    with pytest.raises(graunt.Error, match="there is no password"):
        graunt.connect(door.uri, analyst="ada")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("grpc://graunt.example.org:31337", "unencrypted"),
        ("grpc://10.0.0.1:31337", "unencrypted"),
        ("http://127.0.0.1:31337", "no way to a server"),
        ("127.0.0.1:31337", "no way to a server"),
        ("grpc://ada:secret@127.0.0.1:31337", "holds a name or password"),
    ],
)
def test_a_way_on_which_the_password_could_be_read_is_refused(uri: str, words: str) -> None:
    with pytest.raises(graunt.Error, match=words) as caught:
        graunt.connect(uri, analyst="ada", password="x")
    assert "secret" not in str(caught.value)


def test_who_is_not_there_cannot_be_reached() -> None:
    with pytest.raises(graunt.Error) as caught:
        graunt.connect("grpc://127.0.0.1:1", analyst="ada", password="x")
    assert caught.value.code == "unreachable"


def test_the_session_is_closed_at_the_end(door: doors.Door) -> None:
    with graunt.connect(door.uri, analyst="ada", password=doors.PASSWORD):
        pass
    assert door.calls[-1] == "CloseSession"
