"""Every block of the README runs, in its order, against the tests' door or a given server.

Shell blocks are run by `test_package.py`; here it is only made sure that none is of another kind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import door as doors
import pytest
from conftest import VERIFIED

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ADDRESS = "grpc://127.0.0.1:31337"


def blocks(language: str) -> list[str]:
    return [code for kind, code in BLOCK.findall(README.read_text("utf-8")) if kind == language]


def run(uri: str, analyst: str, code: list[str]) -> dict[str, object]:
    names: dict[str, object] = {}
    for number, block in enumerate(code):
        block = block.replace(ADDRESS, uri).replace('"ada"', repr(analyst))
        exec(compile(block, f"README block {number + 1}", "exec"), names)
    return names


def test_the_readme_has_no_block_that_is_not_run() -> None:
    text = README.read_text("utf-8")
    assert text.count("```") == 2 * (len(blocks("python")) + len(blocks("sh")))
    assert len(blocks("python")) == 7 and len(blocks("sh")) == 2


def test_each_block_runs_against_the_tests_door(
    door: doors.Door,
    program: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAUNT_PASSWORD", doors.PASSWORD)
    code = [block.replace('"persons"', '"n"') for block in blocks("python")]
    program([VERIFIED])
    names = run(door.uri, "ada", code[:-1])
    program({"page": "health.html"})
    exec(code[-1], names)
    assert str(names["page"]) == "health.html"
    assert "R-ROWS" in capsys.readouterr().out
    assert (tmp_path / "receipt.json").is_file()


def test_each_block_but_the_report_runs_against_a_given_server(
    live: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    policy = os.environ.get("GRAUNT_POLICY")
    if policy is None or not os.environ.get("GRAUNT_BIN"):
        pytest.skip("skipped: GRAUNT_POLICY or GRAUNT_BIN is not set")
    code = [block.replace("policy.json", policy) for block in blocks("python")[:-1]]
    monkeypatch.chdir(tmp_path)
    run(live["GRAUNT_FLIGHT"], live["GRAUNT_ANALYST"], code)
    assert "R-ROWS" in capsys.readouterr().out
