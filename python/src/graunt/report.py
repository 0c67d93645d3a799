"""Writes reports, by the program `graunt` on the machine of the population's home.

It asks nothing through a server: a report reads and charges the account of its home.
"""

from __future__ import annotations

import os
from pathlib import Path

from graunt import errors, program


def report(
    spec_path: str | os.PathLike[str],
    *,
    home: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] = "report.html",
    population: str | None = None,
    rebuild: bool = False,
) -> Path:
    """Asks the indicators of a report, writes its page, and returns the page's path.

    What was asked before costs nothing, so a report that was interrupted goes on when it is run
    again. The data behind the page lie beside it, in a directory with `-data` in its name.

    Args:
        spec_path: the TOML file that says what the report holds; `graunt report --example` prints
            one to start from.
        home: where keys, ledger and receipts live; otherwise as `graunt.toml` says.
        out: the page to be written.
        population: the population that is asked, if there is more than one.
        rebuild: writes the page from what was released before, and asks and charges nothing.

    Raises:
        graunt.Exhausted: the budget does not hold the report; nothing was charged.
        graunt.Rejected: a question of it breaks a rule.
        graunt.Error: the file is wrong, or the program is missing.
    """
    arguments: list[str | os.PathLike[str]] = ["report", "--out", out]
    if home is not None:
        arguments += ["--home", home]
    if population is not None:
        arguments += ["--population", population]
    if rebuild:
        arguments.append("--rebuild")
    _, printed = program.run([*arguments, "--", spec_path])
    page = printed.get("page") if isinstance(printed, dict) else None
    if not isinstance(page, str):
        raise errors.Error("the program graunt named no page", code="internal")
    return Path(page)
