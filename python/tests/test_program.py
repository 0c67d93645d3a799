"""Receipts are verified and reports written by the program, whose verdict is never softened."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import CHECKS, VERIFIED

import graunt
from graunt import program as programs

Stub = Callable[..., Path]


def arguments(calls: Path) -> list[str]:
    (line,) = calls.read_text(encoding="utf-8").splitlines()
    found: list[str] = json.loads(line)
    return found


def test_a_receipt_verifies_by_a_policy(program: Stub, tmp_path: Path) -> None:
    calls = program([VERIFIED])
    verification = graunt.verify(tmp_path / "receipt.json", policy="policy.json")
    assert verification.checks == tuple(CHECKS)
    assert verification.is_log_trusted and verification.are_keys_trusted
    assert str(verification).startswith("verified\n  ok  6 ledger entries")
    assert arguments(calls) == [
        *["--json", "--quiet", "verify", "--policy", "policy.json", "--"],
        str(tmp_path / "receipt.json"),
    ]


def test_keys_and_home_are_handed_on(program: Stub) -> None:
    calls = program([VERIFIED])
    graunt.verify("r.json", log_key="VKEY", keys=["A", "B"], home="h", self_asserted=True)
    said = ["--log-key", "VKEY", "--key", "A", "--key", "B", "--home", "h", "--self-asserted"]
    assert arguments(calls)[3:] == [*said, "--", "r.json"]


def test_an_answer_and_a_dictionary_are_receipts_too(program: Stub) -> None:
    calls = program([VERIFIED])
    table = pa.table({"n": [1]})
    graunt.verify(graunt.Answer(table, sql="SELECT", has_intervals=True, receipt="{}"))
    assert not Path(arguments(calls)[-1]).exists()
    graunt.verify({"version": 1})


def test_what_does_not_verify_is_raised(program: Stub) -> None:
    found = {"error": "statement: the signature does not verify", "verified": False}
    program([found], exit_code=5, told={"error": {"code": "untrusted", "message": "1 of 1"}})
    with pytest.raises(graunt.Unverified, match="the signature does not verify"):
        graunt.verify("forged.json")


@pytest.mark.parametrize(
    ("changed", "exit_code"),
    [
        ({"verified": False}, 0),
        ({"verified": "yes"}, 0),
        ({}, 5),
        ({"log_trusted": False}, 0),
        ({"keys_trusted": False}, 0),
    ],
)
def test_half_a_verification_is_none(
    program: Stub, changed: dict[str, Any], exit_code: int
) -> None:
    program([VERIFIED | changed], exit_code=exit_code)
    with pytest.raises(graunt.Unverified) as caught:
        graunt.verify("receipt.json")
    assert caught.value.checks == tuple(CHECKS)


def test_a_receipt_without_its_answer_must_be_allowed(program: Stub) -> None:
    program([VERIFIED | {"verified": False, "redacted": True}])
    with pytest.raises(graunt.Unverified, match="erased"):
        graunt.verify("receipt.json")
    verification = graunt.verify("receipt.json", allow_redacted=True)
    assert verification.is_redacted and "the answer was erased" in str(verification)


def test_keys_of_its_own_are_named_so(program: Stub) -> None:
    program([VERIFIED | {"log_trusted": False, "keys_trusted": False}])
    verification = graunt.verify("receipt.json", self_asserted=True)
    assert str(verification).startswith("verified, by keys of its own only")


def test_the_programs_errors_have_their_class(program: Stub) -> None:
    told = {"error": {"code": "usage", "message": "it is not said whom to trust", "hint": "h"}}
    program(None, exit_code=2, told=told)
    with pytest.raises(graunt.Error, match="whom to trust") as caught:
        graunt.verify("receipt.json")
    assert type(caught.value) is graunt.Error
    assert (caught.value.code, caught.value.hint) == ("usage", "h")
    program(None, exit_code=4, told={"error": {"code": "exhausted", "message": "no"}})
    with pytest.raises(graunt.Exhausted):
        graunt.report("spec.toml")


def test_a_report_is_the_path_of_its_page(program: Stub) -> None:
    calls = program({"page": "out.html", "asked": 1})
    page = graunt.report("spec.toml", home="h", out="out.html", population="town", rebuild=True)
    assert page == Path("out.html")
    assert arguments(calls)[2:] == [
        *["report", "--out", "out.html", "--home", "h", "--population", "town", "--rebuild"],
        *["--", "spec.toml"],
    ]


def test_a_report_that_fails_after_printing_is_an_error(program: Stub) -> None:
    program({"page": "out.html"}, exit_code=6, told={"error": {"code": "store", "message": "disk"}})
    with pytest.raises(graunt.Error, match="disk"):
        graunt.report("spec.toml")


def test_a_named_program_that_is_missing_is_not_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRAUNT_BIN", str(tmp_path / "missing"))
    with pytest.raises(graunt.Error, match="GRAUNT_BIN names"):
        programs.locate()
    monkeypatch.delenv("GRAUNT_BIN")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(graunt.Error, match="the program graunt is not here"):
        programs.locate()
    found = tmp_path / "graunt"
    found.touch(mode=0o755)
    assert programs.locate() == found


def test_a_directory_is_no_receipt(program: Stub, tmp_path: Path) -> None:
    program([VERIFIED])
    with pytest.raises(graunt.Error, match="one receipt is verified at a time"):
        graunt.verify(tmp_path)


def test_real_receipts_verify_and_forged_ones_do_not(tmp_path: Path) -> None:
    """With GRAUNT_BIN and a home in GRAUNT_HOME, such as that of `graunt demo`."""
    home = os.environ.get("GRAUNT_HOME")
    receipts = sorted(Path(home or "").glob("receipts/*.json")) if home else []
    if not receipts or not os.environ.get("GRAUNT_BIN"):
        pytest.skip("skipped: no home with receipts is given, as GRAUNT_HOME or GRAUNT_BIN is not")
    assert home is not None
    text = receipts[0].read_text(encoding="utf-8")
    assert graunt.verify(receipts[0], home=home).checks
    assert graunt.verify(json.loads(text), home=home).checks
    forged = json.loads(text)
    signature = forged["release"]["signatures"][0]
    signature["sig"] = ("A" if signature["sig"][0] != "A" else "B") + signature["sig"][1:]
    with pytest.raises(graunt.Unverified, match="signature"):
        graunt.verify(forged, home=home)
