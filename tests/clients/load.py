"""Sixty-four clients at all three doors for a minute: nothing breaks, and the books agree.

Not a benchmark: clients and server share a machine. It prints what it saw, and checks only that
no error lies beyond the declared limits, that the ledger holds what the clients were told, and
that memory is steady.
"""

import itertools
import json
import os
import random
import re
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter, defaultdict

import psycopg

import wire
from checks import COST, FLIGHT, FREE, JOINED, ROWS, URL, Checks, dsn, must, spent_nano

# Imported before the threads start: among sixty of them it would take half a minute.
try:
    import adbc_driver_flightsql.dbapi as flightsql
except ImportError:
    flightsql = None

SECONDS = float(os.environ.get("GRAUNT_LOAD_SECONDS", "60"))
CLIENTS = int(os.environ.get("GRAUNT_LOAD_CLIENTS", "64"))
SEED = int(os.environ.get("GRAUNT_LOAD_SEED", "1"))
EPSILON = 0.05
# `load` has a cap that lasts; that of `crowd` is exhausted on the way.
PASSWORDS = {name: os.environ[f"GRAUNT_{name.upper()}"] for name in ("load", "crowd")}
# What may be refused under load: too many connections or questions, cancelled, exhausted.
DECLARED = re.compile(
    r"\[limit\]|\[exhausted\]|\[cancelled\]|53300|57014|53400|RESOURCE_EXHAUSTED|too many", re.I
)
REFUSED = re.compile(r"\[?R-[A-Z-]+\]?")
checks = Checks("load")
check = checks.check
numbers = itertools.count()


class Book:
    """What all clients saw: costs told in billionths of rho, errors, and latencies."""

    def __init__(self):
        self.lock = threading.Lock()
        self.told = defaultdict(float)
        self.latencies = defaultdict(list)
        self.errors, self.beyond = Counter(), []

    def answered(self, analyst, kind, began, cost_nano=0.0):
        with self.lock:
            self.told[analyst] += cost_nano
            self.latencies[kind].append(time.monotonic() - began)

    def refused(self, kind, began, error):
        text = " ".join(str(error).split())
        with self.lock:
            self.latencies[kind].append(time.monotonic() - began)
            found = DECLARED.search(text)
            if found:
                self.errors[found.group().lower()] += 1
            elif kind == "refusal" and REFUSED.search(text):
                self.errors["refused, as it should"] += 1
            else:
                self.beyond.append(f"{kind}: {type(error).__name__} {text[:200]}")


book = Book()


def new_question():
    """A question that nobody asked before in this run."""
    i = next(numbers)
    low, high, sex = 1901 + i % 60, 1962 + i // 60 % 60, (8507, 8532)[i // 3600 % 2]
    return (
        f"SELECT COUNT(*) AS n FROM person WHERE year_of_birth BETWEEN {low} AND {high} "
        f"AND (gender_concept_id = {sex} OR year_of_birth > {1900 + i // 7200})"
    )


def pick(dice):
    """The kind of the next request, and its SQL."""
    kind = dice.choices(
        ["repeat", "new", "refusal", "catalogue", "explain", "estimate"], [40, 25, 10, 10, 10, 5]
    )[0]
    repeated = f"SELECT COUNT(*) AS n FROM person WHERE year_of_birth < {1950 + dice.randrange(9)}"
    return kind, {
        "repeat": repeated,
        "new": new_question() if kind == "new" else "",
        "refusal": dice.choice([JOINED, ROWS]),
        "catalogue": "SELECT table_name, column_name FROM information_schema.columns",
        "explain": f"EXPLAIN {repeated}",
        "estimate": f"ESTIMATE {repeated}",
    }[kind]


def must_refuse(kind):
    """A request that had to be refused must not come back as an answer."""
    if kind == "refusal":
        raise AssertionError("rows of persons were shown")


class Postgres:
    """One psycopg connection."""

    def __init__(self, analyst):
        self.analyst, self.notices = analyst, []
        where = dsn(analyst, PASSWORDS[analyst])
        self.connection = psycopg.connect(where, autocommit=True, connect_timeout=30)
        self.connection.add_notice_handler(lambda n: self.notices.append(n.message_primary))
        self.connection.execute(f"SET graunt.epsilon = {EPSILON}")

    def ask(self, kind, sql):
        """The cost that was told."""
        self.notices.clear()
        self.connection.execute(sql).fetchall()
        must_refuse(kind)
        if kind not in ("repeat", "new"):
            return 0.0
        told = "\n".join(self.notices)
        found = None if FREE.search(told) else COST.search(told)
        return float(found.group(1)) * 1e9 if found else 0.0


class Flight:
    """One ADBC connection."""

    def __init__(self, analyst):
        self.analyst = analyst
        login = {"username": analyst, "password": PASSWORDS[analyst]}
        self.connection = flightsql.connect(f"grpc://{FLIGHT}", db_kwargs=login, autocommit=True)
        self.ask("set", f"SET graunt.epsilon = {EPSILON}")

    def ask(self, kind, sql):
        """The cost that was told."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            table = cursor.fetch_arrow_table()
        must_refuse(kind)
        if kind not in ("repeat", "new"):
            return 0.0
        metadata = table.schema.metadata or {}
        is_repeat = metadata[b"graunt.is_repeat"] == b"true"
        return 0.0 if is_repeat else float(json.loads(metadata[b"graunt.cost"])["rho_nano"])


class Page:
    """One browser that is logged in."""

    def __init__(self, analyst):
        self.analyst = analyst
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        self.post("/api/login", {"analyst": analyst, "password": PASSWORDS[analyst]})

    def post(self, path, body):
        headers = {"Content-Type": "application/json", "X-Graunt": "1"}
        request = urllib.request.Request(URL + path, json.dumps(body).encode(), headers)
        try:
            with self.opener.open(request, timeout=60) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(f"{error.code} {error.read().decode()}") from None

    def ask(self, kind, sql):
        """The cost that was told."""
        if kind == "catalogue":
            with self.opener.open(f"{URL}/api/catalogue", timeout=60) as reply:
                json.load(reply)
            return 0.0
        bare = sql.removeprefix("EXPLAIN ").removeprefix("ESTIMATE ")
        body = {"sql": bare, "epsilon": EPSILON, "delta": 1e-6}
        if kind in ("explain", "estimate"):
            self.post("/api/explain", body)
            return 0.0
        told = self.post("/api/ask", {**body, "id": str(uuid.uuid4())})
        must_refuse(kind)
        return 0.0 if told["is_repeat"] else float(told["cost"]["rho_nano"])


def client(make, analyst, seed, until):
    """One client: asks until the time is over, and connects anew after a limit."""
    dice, door = random.Random(seed), None
    while time.monotonic() < until:
        began = time.monotonic()
        if door is None:
            try:
                door = make(analyst)
                book.answered(analyst, "connect", began)
            except Exception as error:  # noqa: BLE001: the book says which are allowed
                book.refused("connect", began, error)
                time.sleep(0.3)
            continue
        kind, sql = pick(dice)
        try:
            cost_nano = door.ask(kind, sql)
            book.answered(analyst, f"{make.__name__} {kind}", began, cost_nano)
        except Exception as error:  # noqa: BLE001
            book.refused(kind, began, error)
            if "connection" in str(error).lower() and "53300" not in str(error):
                door = None


def slow_reader(until):
    """Asks for a public table and reads a byte of it per second."""
    session = wire.Session("load", PASSWORDS["load"])
    sql = b"SELECT a.concept_name, b.concept_name FROM concept a CROSS JOIN concept b"
    session.sock.sendall(wire.query(sql))
    with session.sock:
        while time.monotonic() < until:
            try:
                if not session.sock.recv(1):
                    return
            except OSError:
                return
            time.sleep(1)


def half_open(until):
    """Sends half of a startup message, and waits."""
    with wire.connect() as sock:
        sock.sendall(wire.login_message()[:9])
        sock.settimeout(1)
        while time.monotonic() < until:
            try:
                if not sock.recv(1):
                    return
            except socket.timeout:
                continue
            except OSError:
                return


def rss_kib():
    """What the server takes of memory now."""
    with open(f"/proc/{os.environ['GRAUNT_PID']}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def left_nano(analyst):
    """What the server says an analyst has left, in billionths of rho; None without a cap."""
    left = Page(analyst).post("/api/login", {"analyst": analyst, "password": PASSWORDS[analyst]})
    return left["left"] and left["left"]["rho_nano"]


def doors():
    """The kinds of clients, as many of each as there are parts."""
    return [Postgres] * 5 + [Flight] * (2 if flightsql else 0) + [Page]


def percentiles():
    """Prints the latencies of each kind of request."""
    for kind, found in sorted(book.latencies.items()):
        found.sort()
        at = [found[min(len(found) - 1, int(len(found) * p))] * 1000 for p in (0.5, 0.95, 0.99)]
        print(f"# {kind}: {len(found)} times, p50 {at[0]:.1f} ms, p95 {at[1]:.1f} ms, "
              f"p99 {at[2]:.1f} ms, longest {found[-1] * 1000:.0f} ms")


def run():
    """Runs all clients, and samples memory meanwhile."""
    until = time.monotonic() + SECONDS
    kinds, threads = doors(), []
    for i in range(CLIENTS):
        analyst = "crowd" if i % 4 == 3 else "load"
        given = (kinds[i % len(kinds)], analyst, SEED * 1000 + i, until)
        threads.append(threading.Thread(target=client, args=given, daemon=True))
    threads += [threading.Thread(target=act, args=(until,), daemon=True)
                for act in (slow_reader, half_open)]
    for thread in threads:
        thread.start()
    samples = []
    while time.monotonic() < until:
        samples.append(rss_kib())
        time.sleep(1)
    for thread in threads:
        thread.join(timeout=90)
    return samples, sum(thread.is_alive() for thread in threads)


def main():
    print(f"# {CLIENTS} clients for {SECONDS:.0f} s, seed {SEED}")
    if not flightsql:
        print("skip load: Flight SQL, since adbc-driver-flightsql is missing")
    before = spent_nano()
    left = {name: left_nano(name) for name in PASSWORDS}
    samples, stuck = run()
    percentiles()
    print(f"# refused: {dict(book.errors)}")
    print(f"# memory: first {samples[0]} KiB, last {samples[-1]} KiB, most {max(samples)} KiB")
    with check("every client came to its end"):
        must(not stuck, f"{stuck} hang")
    with check("questions were answered at every door"):
        for name in {make.__name__ for make in doors()}:
            must(book.latencies.get(f"{name} repeat"), f"none by {name}")
    with check("no error lies beyond the declared limits"):
        must(not book.beyond, f"{len(book.beyond)}, such as {book.beyond[:3]}")
    with check("the ledger's charges are what the clients were told"):
        told, charged = sum(book.told.values()), spent_nano() - before
        print(f"# told {told / 1e9:.9f}, charged {charged / 1e9:.9f} of rho")
        # Notices round to six digits.
        must(abs(told - charged) <= 1e-5 * max(told, charged) + 1000, f"{told} and {charged}")
        must(charged > 0, "nothing was charged")
    for name, had in left.items():
        if had is None:
            continue
        with check(f"{name} spent what it was told, and no more than its cap"):
            now, told = left_nano(name), book.told[name]
            must(0 <= now <= had, f"{now} of {had} are left")
            must(abs(had - now - told) <= 1e-5 * told + 1000, f"told {told}, took {had - now}")
    with check("memory is steady"):
        third = samples[len(samples) // 3]
        must(samples[-1] < 1.3 * third + 102_400, f"{third} KiB grew to {samples[-1]} KiB")
    checks.end()


main()
