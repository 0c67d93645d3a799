"""What tests share: the tests' own door, a stub of the program, and the live server's address.

Live tests run against `graunt serve` where GRAUNT_FLIGHT, GRAUNT_ANALYST and GRAUNT_PASSWORD say
where and as whom; otherwise they say that they were skipped.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import door as doors
import pytest

import graunt

CHECKS = ["6 ledger entries are under one signed checkpoint", "entry 6 charges rho 0.024355948"]
VERIFIED = {
    "receipt": "receipt.json",
    "verified": True,
    "redacted": False,
    "log_trusted": True,
    "keys_trusted": True,
    "checks": CHECKS,
}
LIVE = ("GRAUNT_FLIGHT", "GRAUNT_ANALYST", "GRAUNT_PASSWORD")


@pytest.fixture(autouse=True)
def drawing_without_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")


@pytest.fixture
def door() -> Iterator[doors.Door]:
    opened = doors.Door()
    yield opened
    opened.shutdown()


@pytest.fixture
def population(door: doors.Door) -> Iterator[graunt.Connection]:
    with graunt.connect(door.uri, analyst="ada", password=doors.PASSWORD) as connection:
        yield connection


@pytest.fixture
def live() -> dict[str, str]:
    missing = [name for name in LIVE if not os.environ.get(name)]
    if missing:
        pytest.skip(f"skipped: no server is given, as {', '.join(missing)} is not set")
    return {name: os.environ[name] for name in LIVE}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts a stub in the place of the program; it keeps its arguments in the returned file."""

    def stub(printed: Any, *, exit_code: int = 0, told: Any = None) -> Path:
        calls = tmp_path / "calls.json"
        script = tmp_path / "graunt-stub"
        script.write_text(
            f"#!{sys.executable}\n"
            "import json, sys\n"
            f"calls = open({str(calls)!r}, 'a', encoding='utf-8')\n"
            "print(json.dumps(sys.argv[1:]), file=calls)\n"
            f"sys.stdout.write({'' if printed is None else json.dumps(printed)!r})\n"
            f"sys.stderr.write({'' if told is None else json.dumps(told)!r})\n"
            f"sys.exit({exit_code})\n",
            encoding="utf-8",
        )
        script.chmod(0o755)
        monkeypatch.setenv("GRAUNT_BIN", str(script))
        return calls

    return stub
