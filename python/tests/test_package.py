"""The wheel is built and installed as the README says, is typed, and its files are tidy."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from test_readme import blocks

HOME = Path(__file__).parents[1]
FILES = sorted(path for part in ("src", "tests") for path in (HOME / part).rglob("*.py"))
# What is of one machine only, or names where packages come from.
BANNED = ["/" + "work/", "/" + "root/", "/" + "tmp/", "pypi" + ".", "index" + "-url"]


def test_the_wheel_is_built_and_installed_as_the_readme_says(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    pytest.importorskip("build")
    source = tmp_path / "python"
    ignored = shutil.ignore_patterns("dist", ".*", "__pycache__")
    shutil.copytree(HOME, source, ignore=ignored)
    present, building, installing = blocks("sh")[0].splitlines()
    assert present == "pip install build hatchling"
    target = tmp_path / "target"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {"PATH": path}
    shell(building, source, environment)
    # Into a place of its own, and without what it depends on, which is here already.
    installing_here = {"PIP_TARGET": str(target), "PIP_NO_DEPS": "1"}
    shell(installing, source, environment | installing_here)
    code = "import graunt; print(graunt.__file__, graunt.__version__)"
    isolated = environment | {"PYTHONPATH": str(target)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=isolated, check=True
    )
    assert done.stdout.split() == [str(target / "graunt" / "__init__.py"), "0.1.0"]
    (wheel,) = (source / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "graunt/py.typed" in names
    assert not [name for name in names if not name.startswith(("graunt/", "graunt-0.1.0"))]


def shell(line: str, directory: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        line, shell=True, cwd=directory, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_other_shell_block_is_how_tests_are_run() -> None:
    lines = blocks("sh")[1].splitlines()
    assert lines[1:] == ["python -m pytest", "python -m mypy"]


def test_types_hold_strictly() -> None:
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict"], cwd=HOME, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_tidy(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "it opens with what it is for"
    assert len(lines) < 500 and max(map(len, lines)) <= 100
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and path.is_relative_to(HOME / "src"):
            is_public = not node.name.startswith("_") and node in tree.body
            assert not is_public or ast.get_docstring(node), f"{node.name} says what it does"
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            assert node.end_lineno - node.lineno < 70, f"{node.name} fits a screen"


def test_no_file_names_a_machine_or_a_registry() -> None:
    others = [HOME / "README.md", HOME / "pyproject.toml", *(HOME / "notebook").glob("*.ipynb")]
    for path in [*FILES, *others]:
        text = path.read_text(encoding="utf-8")
        assert not [word for word in BANNED if word in text], path.name
