"""Finds and runs the program `graunt`, which verifies receipts and writes reports.

It downloads nothing and hides nothing: where the program is missing, the error says where it was
looked for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from graunt import errors


def locate() -> Path:
    """The program: `$GRAUNT_BIN`, else `bin/graunt` in this package, else `graunt` on the path.

    Raises:
        graunt.Error: there is none, or `$GRAUNT_BIN` names a file that is missing.
    """
    named = os.environ.get("GRAUNT_BIN")
    if named:
        # A name that was given and is wrong must not fall back to some other program.
        if not Path(named).is_file():
            raise errors.Error(f"GRAUNT_BIN names {named}, which is no file", code="usage")
        return Path(named)
    suffix = ".exe" if os.name == "nt" else ""
    beside = Path(__file__).parent / "bin" / f"graunt{suffix}"
    if beside.is_file():
        return beside
    found = shutil.which("graunt")
    if found is None:
        raise errors.Error(
            "the program graunt is not here",
            code="usage",
            hint="build it with cargo build --release and name it in GRAUNT_BIN, or put it on PATH",
        )
    return Path(found)


def run(
    arguments: Sequence[str | os.PathLike[str]], *, allowed: Collection[int] = (0,)
) -> tuple[int, Any]:
    """Runs the program for JSON, and gives its exit code and what it printed.

    Arguments go as they are, through no shell. Exit codes that are not `allowed` are errors, and
    so is any but 0 if nothing was printed.

    Raises:
        graunt.Error: there is no program, it told an error (whose class is then raised), or it
            printed no JSON.
    """
    # The flags come first, as nothing after a double hyphen is a flag.
    command = [str(locate()), "--json", "--quiet", *(os.fspath(a) for a in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    try:
        printed = json.loads(done.stdout) if done.stdout.strip() else None
    except ValueError as error:
        if done.returncode != 0:
            raise _told(done.stderr, done.returncode) from None
        raise errors.Error("the program graunt printed no JSON", code="internal") from error
    if done.returncode not in allowed or (done.returncode != 0 and printed is None):
        raise _told(done.stderr, done.returncode)
    return done.returncode, printed


def _told(stderr: str, exit_code: int) -> errors.Error:
    """The error on standard error, whose last line is an object."""
    for line in reversed(stderr.splitlines()):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and isinstance(value.get("error"), dict):
            return errors.from_json(value["error"])
    said = stderr.strip() or f"the program graunt ended with exit code {exit_code}"
    return errors.Error(said, code="internal")
