"""Answers and estimates show what the server told, and no more."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

import graunt
from graunt.cost import readable

TOLD = {
    "graunt.cost": '{"rho":0.02435594,"delta":0.0,"rho_nano":24355940,"delta_atto":0}',
    "graunt.left": '{"rho_nano":41243438,"delta_atto":4625000000000,"epsilon":1.2242153,'
    '"epsilon_at_delta":0.00001}',
    "graunt.query": "3d69",
    "graunt.notes": '["keys with 17 or fewer persons are not shown"]',
    "graunt.is_repeat": "false",
}
COLUMNS = {
    "gender": ["female", "male"],
    "n": [15155, 14838],
    "n_lo": [15146, 14829],
    "n_hi": [15164, 14847],
}


def answered(
    columns: dict[str, list[object]] | None = None, told: dict[str, str] | None = None
) -> graunt.Answer:
    table = pa.table(columns or COLUMNS).replace_schema_metadata(TOLD | (told or {}))
    return graunt.Answer(table, sql="SELECT", has_intervals=True, receipt='{"a": "ö"}')


def test_an_answer_knows_its_cost_and_its_intervals() -> None:
    answer = answered()
    assert answer.columns == ["gender", "n"]
    assert answer.intervals == {"n": ("n_lo", "n_hi")}
    assert answer.interval("n") == [(15146, 15164), (14829, 14847)]
    assert answer.cost == graunt.Cost(rho_nano=24355940, delta_atto=0)
    assert answer.left is not None and answer.left.delta == 4.625e-6
    assert answer.notes == ("keys with 17 or fewer persons are not shown",)
    assert (answer.query, answer.is_repeat, len(answer)) == ("3d69", False, 2)


def test_an_answer_reads_like_a_table() -> None:
    assert repr(answered()) == (
        "gender      n   95 % interval\n"
        "──────  ─────  ──────────────\n"
        "female  15155  [15146, 15164]\n"
        "male    14838  [14829, 14847]\n"
        "cost rho 0.0243559, delta 0 · left rho 0.0412434, delta 4.625e-6 "
        "(epsilon 1.22422 at delta 1e-5)\n"
        "keys with 17 or fewer persons are not shown"
    )


def test_a_repeat_says_that_it_cost_nothing() -> None:
    assert "cost nothing, as it was answered before" in repr(answered(told=REPEAT))


def test_text_of_records_is_escaped() -> None:
    answer = answered({"key": ["<b>\x1b[2J", None], "n": [1.5, None]})
    html = answer._repr_html_()
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert "\x1b" not in html and "\x1b" not in repr(answer)
    assert "<script" not in html and "http" not in html


def test_long_answers_are_cut_where_they_are_shown() -> None:
    answer = answered({"n": list(range(100))})
    assert "… and 60 more rows" in repr(answer) and len(answer.rows()) == 100


def test_intervals_are_those_that_the_server_names() -> None:
    columns = {"n": [1], "n_lo": [2], "n_hi": [3], "low": [0], "high": [2]}
    told = {"graunt.intervals": '{"n": ["low", "high"]}', "graunt.confidence": "0.9"}
    answer = answered(columns, told)
    assert answer.columns == ["n", "n_lo", "n_hi"]
    assert answer.interval("n") == [(0, 2)]
    assert "90 % interval" in repr(answer)


def test_what_cannot_be_read_does_not_lose_the_answer() -> None:
    told = {"graunt.cost": "{}", "graunt.left": "x", "graunt.notes": "x", "graunt.confidence": "x"}
    answer = answered(told=told)
    assert (answer.cost, answer.left, answer.notes, answer.confidence) == (None, None, (), 0.95)
    assert len(answer.rows()) == 2


def test_frames_hold_the_whole_table() -> None:
    assert answered().polars().columns == ["gender", "n", "n_lo", "n_hi"]
    assert list(answered().pandas()["n"]) == [15155, 14838]
    assert answered().arrow().num_rows == 2
    assert answered().rows()[0] == {"gender": "female", "n": 15155, "n_lo": 15146, "n_hi": 15164}


def test_a_receipt_is_written_byte_for_byte(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = answered().save_receipt(tmp_path / "receipt.json")
    assert path.read_bytes() == '{"a": "ö"}'.encode()
    assert answered().receipt() == {"a": "ö"}


def test_without_a_receipt_it_is_said_so() -> None:
    answer = graunt.Answer(pa.table({"status": ["SET"]}), sql="SET", has_intervals=True)
    with pytest.raises(graunt.Error, match="nothing was released"):
        answer.receipt()
    assert answer.cost is None and "cost" not in repr(answer)


def test_names_are_drawn_down_and_numbers_along() -> None:
    pytest.importorskip("matplotlib")
    named = answered().plot()
    assert named.get_xlabel() == "n" and named.get_ylabel() == "gender"
    assert [label.get_text() for label in named.get_yticklabels()] == ["female", "male"]
    placed = answered({"year": [2020, 2021], "n": [1, 2], "n_lo": [0, 1], "n_hi": [2, 4]}).plot()
    assert placed.get_xlabel() == "year" and placed.get_title() == "with 95 % intervals"


def test_what_cannot_be_drawn_is_refused() -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="name the column"):
        answered({"n": [1]}).plot()
    with pytest.raises(ValueError, match="there is no column m"):
        answered().plot("m")
    with pytest.raises(ValueError, match="holds no numbers"):
        answered().plot("gender", by="n")


def test_an_estimate_tells_whether_the_account_holds_it() -> None:
    told = {"graunt.cost": TOLD["graunt.cost"], "graunt.left": TOLD["graunt.left"]}
    columns = {
        "column": ["count(*)"],
        "noise": [4.53088],
        "half_width": [8.88036],
        "is_chosen": [True],
        "lower": [0.0],
        "upper": [1.0],
        "groups_per_person": [1],
        "threshold": pa.array([None], pa.int64()),
    }
    estimate = graunt.Estimate.from_table(pa.table(columns).replace_schema_metadata(told))
    assert estimate.noise == {"count(*)": 4.53088}
    assert estimate.half_width == {"count(*)": 8.88036}
    assert estimate.fits is True
    assert "at most 4.53088" in repr(estimate) and "± at most 8.88" in repr(estimate)
    assert "would cost rho 0.0243559, delta 0; nothing is charged" in repr(estimate)
    told["graunt.left"] = json.dumps({"rho_nano": 1, "delta_atto": 0})
    short = graunt.Estimate.from_table(pa.table(columns).replace_schema_metadata(told))
    assert short.fits is False and "smaller epsilon" in short._repr_html_()


def test_another_table_is_no_estimate() -> None:
    with pytest.raises(graunt.Error, match="cannot be read"):
        graunt.Estimate.from_table(pa.table({"n": [1]}))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1e-6, "1e-6"), (4.625e-6, "4.625e-6"), (0.02435594, "0.0243559"), (3.0, "3")],
)
def test_numbers_read_as_the_program_writes_them(value: float, text: str) -> None:
    assert readable(value) == text


REPEAT = {"graunt.is_repeat": "true", "graunt.cost": '{"rho_nano":0,"delta_atto":0}'}
