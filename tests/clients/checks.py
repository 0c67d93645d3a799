"""Where the server is, the questions that every client asks, and one line per check.

Not a client itself, and it never starts or stops the server: that is done by `run`.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager

HOST = os.environ.get("GRAUNT_PG_HOST", "127.0.0.1")
PORT = int(os.environ.get("GRAUNT_PG_PORT", "0"))
FLIGHT = os.environ.get("GRAUNT_FLIGHT", "")
URL = os.environ.get("GRAUNT_URL", "")
POPULATION = os.environ.get("GRAUNT_POPULATION", "clients")
USER, PASSWORD = "ada", os.environ.get("GRAUNT_ADA", "")
# An analyst whose cap holds no question at the default epsilon.
TINY, TINY_PASSWORD = "tiny", os.environ.get("GRAUNT_TINY", "")

# `year` makes the question new: each client takes one of its own.
TYPED = (
    "SELECT CASE WHEN gender_concept_id = 8507 THEN 'men' ELSE 'women' END AS sex, "
    "COUNT(*) AS n, AVG(year_of_birth) AS born FROM person "
    "WHERE year_of_birth < {year} GROUP BY 1 ORDER BY 1"
)
BY_SEX = (
    "SELECT gender_concept_id, COUNT(*) AS n FROM person "
    "WHERE year_of_birth < {year} GROUP BY gender_concept_id ORDER BY gender_concept_id"
)
DATES = (
    "SELECT visit_start_date, COUNT(*) AS n FROM visit_occurrence "
    "WHERE visit_start_date BETWEEN DATE '2019-01-01' AND DATE '2023-12-31' "
    "GROUP BY visit_start_date ORDER BY visit_start_date"
)
# Some of the eight races have too few persons of one year of birth to be shown.
SMALL = (
    "SELECT race_concept_id, COUNT(*) AS n FROM person "
    "WHERE year_of_birth = 1960 GROUP BY race_concept_id"
)
JOINED = (
    "SELECT COUNT(*) FROM visit_occurrence v JOIN condition_occurrence o "
    "ON v.visit_occurrence_id = o.visit_occurrence_id"
)
ROWS = "SELECT * FROM person"
# Many rows of each person meet, which takes seconds.
SLOW = (
    "SELECT COUNT(*) AS n FROM cost a JOIN measurement b ON a.person_id = b.person_id "
    "WHERE a.total_cost > {least}"
)
COST = re.compile(r"cost rho ([0-9.e+-]+), delta ([0-9.e+-]+)")
LEFT = re.compile(r"left rho [0-9.e+-]+")
FREE = re.compile(r"cost nothing|costs nothing|cost rho 0[,.\s]|answered before")
UNSHOWN = re.compile(r"fewer persons, after noise, are not shown")


class Checks:
    """Counts checks and prints `ok CLIENT: what` or `FAILED CLIENT: what`, with the reason."""

    def __init__(self, client):
        self.client, self.failed = client, 0

    @contextmanager
    def check(self, what):
        """One check: whatever is raised inside fails it, and the next one goes on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001: every reason is a failed check
            self.failed += 1
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            print(f"FAILED {self.client}: {what} — {reason}", flush=True)
        else:
            print(f"ok {self.client}: {what}", flush=True)

    def end(self):
        """Ends the process: 1 if anything failed."""
        sys.exit(1 if self.failed else 0)


def must(holds, why):
    """Fails the check at hand."""
    if not holds:
        raise AssertionError(why)


def must_match(pattern, text):
    """Fails the check at hand unless the pattern is somewhere in the text."""
    must(re.search(pattern, text or ""), f"no {pattern!r} in {(text or '')[:200]!r}")


def must_fail(ask, *patterns):
    """Fails the check at hand unless asking raises an error that shows all patterns."""
    try:
        found = ask()
    except Exception as error:  # noqa: BLE001: the text is what users see
        for pattern in patterns:
            must_match(pattern, str(error))
        return error
    raise AssertionError(f"it was answered: {str(found)[:120]}")


def must_be_by_sex(rows):
    """Fails the check at hand unless these are plausible rows of TYPED."""
    must([row[0] for row in rows] == ["men", "women"], f"keys {rows}")
    for _, n, born in rows:
        must(type(n) is int and 1000 < n < 40000, f"count {n!r}")
        must(type(born) is float and 1900 < born < 2030, f"average {born!r}")


def verify(receipt):
    """Fails the check at hand unless `graunt verify` accepts this receipt, given as JSON."""
    must(isinstance(json.loads(receipt), dict), "the receipt is no JSON object")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(receipt)
        file.flush()
        command = [os.environ["GRAUNT_BIN"], "verify", "--brief", file.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    must(done.returncode == 0, f"graunt verify: {done.stdout} {done.stderr}")


def spent_nano():
    """What the ledger says was spent, in billionths of rho, as the page is told."""
    with urllib.request.urlopen(f"{URL}/api/budgets", timeout=30) as reply:
        budgets = json.load(reply)["budgets"]
    return next(b["budget"]["spent"]["rho_nano"] for b in budgets if b["population"] == POPULATION)


def dsn(user=USER, password=PASSWORD, population=POPULATION):
    """The connection string of libpq."""
    return f"host={HOST} port={PORT} user={user} password={password} dbname={population}"


def uri(user=USER, password=PASSWORD, population=POPULATION, scheme="postgresql"):
    """The connection URI."""
    return f"{scheme}://{user}:{password}@{HOST}:{PORT}/{population}"
