"""The notebook runs from start to end, and is kept without outputs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import door as doors
import pytest
from conftest import VERIFIED

NOTEBOOK = Path(__file__).parents[1] / "notebook" / "first-answers.ipynb"
SOURCE = Path(__file__).parents[1] / "src"


def execute(directory: Path) -> Any:
    """Runs the notebook in a kernel of its own, which inherits the environment."""
    client = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(directory)}}
    client.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources=resources
    ).execute()
    return notebook


def printed(notebook: Any) -> str:
    parts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            parts += [output.get("text", ""), *map(str, output.get("data", {}).values())]
    return "\n".join(parts)


def test_it_is_kept_without_outputs() -> None:
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def test_it_runs_against_the_tests_door(
    door: doors.Door,
    program: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program([VERIFIED])
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    monkeypatch.setenv("GRAUNT_FLIGHT", door.uri)
    monkeypatch.setenv("GRAUNT_ANALYST", "ada")
    monkeypatch.setenv("GRAUNT_PASSWORD", doors.PASSWORD)
    monkeypatch.delenv("GRAUNT_POLICY", raising=False)
    check(execute(tmp_path))


def test_it_runs_against_a_given_server(
    live: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.environ.get("GRAUNT_BIN"):
        pytest.skip("skipped: GRAUNT_BIN is not set")
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    check(execute(tmp_path))


def check(notebook: Any) -> None:
    """A table with intervals, an estimate, a drawing, a refusal and a verification are shown."""
    shown = printed(notebook)
    for words in ("95 % interval", "nothing is charged", "[R-ROWS]", "  ok  "):
        assert words in shown
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) for output in outputs)
