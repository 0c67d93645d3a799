"""Asks Graunt, plain DataFusion, DuckDB, polars and the DP peers the same, and prints one table.

    python3 benches/contest/contest.py --install        once, by pip: the peers
    python3 benches/contest/contest.py --out contest.md

Every row is a process of its own, which asks its query again and again; the first run warms up and
does not count. Rows in which Graunt loses are there like all others; what did not run is below the
table, with the reason. Graunt and DataFusion are run by the program `contest` beside this file, and
peers by `contest_peers.py`. It compares no accuracy, and no ledger, receipts or federation."""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
import tomllib
from typing import NamedTuple

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.expanduser("~/.cache/graunt-contest")
PROGRAM = "target/release/contest"
BUILD = ["cargo", "build", "--release", "--workspace", "--bin", "contest"]
SECONDS_MAX = 1800
# As many as the program takes; everybody is held to as many cores.
THREADS = 2
# More rows than these make the slow ones of the DP peers take many minutes.
PEER_ROWS_MAX = 1_000_000
# TPC-H's scale is the rows through this: 10,000,000 are scale 1, of 6,000,000 lines.
ROWS_PER_SCALE = 10_000_000


class Workload(NamedTuple):
    """What is asked of which data, by the program's names."""

    data: str
    query: str
    # Graunt's rows, with the query of each.
    graunt: dict
    # Groups of a person that DuckDB keeps where it bounds by hand; with none it does not.
    groups: int | None


CHOSEN = "Graunt, bounds chosen privately"
WORKLOADS = {
    "q0": Workload("q0", "q0", {"Graunt": "q0", CHOSEN: "q0auto"}, 3),
    "q0person": Workload("q0", "q0person", {}, None),
    "join": Workload("join", "join", {"Graunt": "join"}, 20),
    "keys": Workload("keys", "keys", {"Graunt": "keys"}, 20),
    **{
        f"tpch {query}": Workload("tpch", query, {CHOSEN: query}, 3)
        for query in ["q01", "q05", "q06", "q14", "q19", "r2t03", "r2t12", "r2t18"]
    },
    "peers": Workload("peers", "q0", {"Graunt": "q0given", CHOSEN: "q0"}, 2),
}
# Of these the program makes the same tables.
SAME = {"join": "q0", "keys": "q0"}

# What each virtual environment is given; diffprivlib 0.6.6 does not import beside scikit-learn 1.7.
VENVS = {
    "plain": ["duckdb==2.0.0", "polars==2.1.0", "pyarrow", "numpy"],
    "qrlew": ["pyqrlew==0.9.27", "sqlalchemy", "duckdb==2.0.0"],
    "smartnoise": ["smartnoise-sql==1.0.10", "pyarrow"],
    "opendp": ["opendp[polars]==0.16.0"],
    "pydp": ["python-dp==1.1.5", "pandas", "pyarrow"],
    "diffprivlib": ["diffprivlib==0.6.6", "scikit-learn<1.7", "pandas", "pyarrow"],
    "pipelinedp": ["pipeline-dp==0.3.1", "pandas", "pyarrow"],
}
DP_PEERS = {
    "qrlew": "Qrlew, rewritten to DuckDB",
    "diffprivlib": "diffprivlib, bounding in pandas, public keys",
    "pydp": "PyDP, bounding in pandas, public keys",
    "opendp": "OpenDP Polars",
    "smartnoise": "SmartNoise SQL on pandas",
    "pipelinedp": "PipelineDP, local",
}
NOT_RUN = [
    "q0person: Graunt and bounding by hand: the greatest number of a person is of one person; it "
    "shows what the person's column costs engines that do not need it",
    "all but peers: the DP peers: the bounds and types that each wants are written for the table "
    "of peers only, and of them only Qrlew and SmartNoise read SQL",
    "DPSQL+: in no package index",
    "Tumult Analytics, PipelineDP on Spark: want Java and Spark, and minutes a run",
    "GoogleSQL, CWI's `privacy` for DuckDB: no package for Python",
]


# Running. ----------------------------------------------------------------------------------------


class NotRun(Exception):
    """Why a program gave no answer, in a few words."""


def output(words, **more):
    """What a program printed."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=SECONDS_MAX, **more
        )
    except subprocess.TimeoutExpired:
        raise NotRun(f"no answer in {SECONDS_MAX} s") from None
    except OSError as error:
        raise NotRun(error.strerror) from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise NotRun(tidy(next((line for line in reversed(said) if "rror" in line), said[-1])))
    return done.stdout


def run(words):
    """The last JSON line of a program, or {"failed": reason}."""
    names = ["POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]
    try:
        said = output(words, env={**os.environ, **{name: str(THREADS) for name in names}})
    except NotRun as reason:
        return {"failed": str(reason)}
    lines = [line for line in said.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {}


def tidy(text):
    """A reason fit to be shown: without paths and addresses, and not long."""
    text = re.sub(r"\w+://\S+", "…", text)
    text = re.sub(r"(?:/[\w.@+-]+){2,}", "…", text)
    return " ".join(text.split())[:160]


def ask_program(options, engine, workload, query):
    words = [options.program, "ask", engine, workload.data, query]
    return run([*words, folder(options, workload.data), str(options.runs + 1)])


def ask_peer(options, venv, peer, workload, sql, **more):
    python = f"{CACHE}/{venv}/bin/python"
    if not os.path.exists(python):
        try:
            with open(f"{CACHE}/{venv}.failed", encoding="utf-8") as reason:
                return {"failed": f"does not install: {reason.read()}"}
        except OSError:
            return {"failed": "not installed: see --install"}
    job = {"dir": folder(options, workload.data), "runs": options.runs + 1, "threads": THREADS}
    job |= {"sql": sql, "upload": workload.data == "peers", "rows": options.peer_rows, **more}
    return run([python, f"{HERE}/contest_peers.py", peer, json.dumps(job)])


# Records. ----------------------------------------------------------------------------------------


def folder(options, data):
    return f"{options.data}/{SAME.get(data, data)}-{size(options, data)}"


def size(options, data):
    by_data = {"tpch": f"{options.rows / ROWS_PER_SCALE:g}", "peers": str(options.peer_rows)}
    return by_data.get(data, str(options.rows))


def make(options, workload):
    """Makes a workload's records, unless this very program made them before."""
    place = folder(options, workload.data)
    mark = f"{place}/made.json"
    program = os.stat(options.program)
    made_by = [program.st_size, program.st_mtime_ns]
    if os.path.exists(mark):
        with open(mark, encoding="utf-8") as file:
            before = json.load(file)
        if before["made_by"] == made_by:
            return before["report"]
    say(f"makes {workload.data}, {size(options, workload.data)}")
    os.makedirs(place, exist_ok=True)
    if workload.data == "peers":
        upload = ask_peer(options, "plain", "make upload", workload, None)
        if "failed" in upload:
            return upload
    report = run([options.program, "make", workload.data, size(options, workload.data), place])
    if "failed" not in report:
        with open(mark, "w", encoding="utf-8") as file:
            json.dump({"made_by": made_by, "report": report}, file)
    return report


# Rows: (workload, system, report). ---------------------------------------------------------------


def rows_of(options, name):
    workload = WORKLOADS[name]
    made = make(options, workload)
    if "failed" in made:
        yield name, "everybody", {"failed": f"no records: {made['failed']}"}
        return
    for system, query in workload.graunt.items():
        say(f"{name}: {system}")
        yield name, system, ask_program(options, "graunt", workload, query)
    if name == "peers":
        # The others read the upload as it came.
        yield name, "Graunt, making its extract (once)", made
    say(f"{name}: without privacy")
    yield name, "DataFusion, no privacy", ask_program(
        options, "datafusion", workload, workload.query
    )
    try:
        sql = output([options.program, "sql", workload.data, workload.query])
    except NotRun as reason:
        yield name, "all others", {"failed": f"no text of the query: {reason}"}
        return
    yield name, "DuckDB, no privacy", ask_peer(options, "plain", "duckdb", workload, sql)
    yield name, "polars, no privacy", ask_peer(options, "plain", "polars", workload, sql)
    if workload.groups is not None:
        report = ask_peer(
            options, "plain", "duckdb bounded", workload, sql, groups=workload.groups
        )
        yield name, "DuckDB, bounding by hand, no noise", report
    for peer, system in DP_PEERS.items() if name == "peers" else ():
        say(f"{name}: {system}")
        yield name, system, ask_peer(options, peer, peer, workload, sql)


def median(report):
    """Of the runs that count: all but the first, where there are more."""
    seconds = report["seconds"]
    return statistics.median(seconds[1:] or seconds)


# The page. ---------------------------------------------------------------------------------------


def page(options, opening, known, rows):
    ran = [row for row in rows if row[2].get("seconds")]
    plain = {name: report for name, system, report in ran if system.startswith("DataFusion")}
    lines = [
        "| workload | system | seconds (median) | ratio to DataFusion | peak MiB | version |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for name, system, report in ran:
        ratio = f"{median(report) / median(plain[name]):.2f}" if name in plain else "–"
        version = report.get("version") or known.get(system.split(",")[0], "unknown")
        peak = f"{report['peak_mib']:.0f}" if "peak_mib" in report else "–"
        cells = [name, system, f"{median(report):.3f}", ratio, peak, version]
        lines.append(f"| {' | '.join(cells)} |")
    about = (
        f"Seconds: median of {options.runs} runs after one that does not count, in a process of "
        "their own, from files in the page cache to rows in hand. Peak: the whole process. All "
        f"are held to {THREADS} cores. q0, join, keys: {options.rows:,} visits; tpch: scale "
        f"{size(options, 'tpch')}, a customer is the person; peers: {options.peer_rows:,} visits, "
        "which Graunt and DataFusion read from Graunt's extract, and all others as they came, in "
        "no order. An engine keeps its connection over its runs, and what it caches. Bounding by "
        "hand keeps some of a person's groups and cuts off a person's sums."
    )
    lines += ["", about, *listed("Not run:", not_run(rows))]
    lines += listed("Another number of rows than DataFusion's:", other_counts(ran, plain))
    return "\n".join([*opening, "", *lines, ""])


def listed(title, lines):
    return ["", title, "", *(f"- {line}" for line in lines)] if lines else []


def not_run(rows):
    """A line for a system and a reason, with the workloads that they are of."""
    reasons = {}
    for name, system, report in rows:
        if not report.get("seconds"):
            reason = report.get("failed", "said nothing")
            reasons.setdefault((system, reason), []).append(name)
    return [f"{', '.join(names)}: {who}: {why}" for (who, why), names in reasons.items()] + NOT_RUN


def other_counts(ran, plain):
    found = []
    for name, system, report in ran:
        counts = report.get("rows"), plain.get(name, {}).get("rows")
        if None not in counts and counts[0] != counts[1]:
            found.append(f"{name}: {system}: {counts[0]:,}, not {counts[1]:,}")
    return found


def opening_lines(options):
    def field(path, name):
        with open(path, encoding="utf-8") as file:
            found = re.search(rf"^{name}\s*[:=]\s*\"?([^\"\n]*)", file.read(), re.M)
        return found[1].strip() if found else "unknown"

    memory = int(field("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    machine = [
        f"{field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, {memory:.1f} GiB",
        f"{field('/etc/os-release', 'PRETTY_NAME')}, Linux {platform.release().split('-')[0]}",
        f"Python {platform.python_version()}",
        f"load {os.getloadavg()[0]:.1f} at the start",
    ]
    form = "%Y-%m-%d %H:%M"
    # Whether it is of the commit that the table names, its day may tell.
    built = time.strftime(form, time.gmtime(os.stat(options.program).st_mtime))
    opening = [f"# Contest of {time.strftime(form, time.gmtime())}", ""]
    return [*opening, f"Machine: {'; '.join(machine)}; program built {built} (UTC)."]


def versions():
    """Of what is built here: Graunt by its commit, DataFusion by the lock file."""
    with open(f"{ROOT}/Cargo.lock", "rb") as file:
        packages = {p["name"]: p["version"] for p in tomllib.load(file)["package"]}
    git = ["git", "-C", ROOT, "-c", "safe.directory=*"]
    try:
        commit = output([*git, "describe", "--always", "--dirty", "--abbrev=10"]).strip()
    except NotRun:
        commit = "no commit"
    return {
        "Graunt": f"{packages['graunt']} at {commit}",
        "DataFusion": packages["datafusion"],
    }


# Commands. ---------------------------------------------------------------------------------------


def install():
    os.makedirs(CACHE, exist_ok=True)
    for venv, wanted in VENVS.items():
        say(f"installs {venv}: {' '.join(wanted)}")
        place, failed = f"{CACHE}/{venv}", f"{CACHE}/{venv}.failed"
        pip = [f"{place}/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        try:
            output([sys.executable, "-m", "venv", place])
            output([*pip, *wanted])
        except NotRun as reason:
            say(f"  fails: {reason}")
            shutil.rmtree(place, ignore_errors=True)
            with open(failed, "w", encoding="utf-8") as file:
                file.write(str(reason))
            continue
        if os.path.exists(failed):
            os.remove(failed)


def build(program):
    if os.path.exists(program):
        return
    if program != f"{ROOT}/{PROGRAM}":
        sys.exit(f"there is no program {program}")
    say(f"builds it: {' '.join(BUILD)}")
    if subprocess.run(BUILD, cwd=ROOT).returncode or not os.path.exists(program):
        sys.exit("it was not built, or elsewhere: name it with --program")


def say(text):
    print(text, file=sys.stderr, flush=True)


def main():
    about = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    about.add_argument("--install", action="store_true", help="install the peers, and stop")
    about.add_argument("--only", default=",".join(WORKLOADS), help="workloads, commas between")
    about.add_argument("--rows", type=int, default=1_000_000, help="visits")
    about.add_argument("--peer-rows", type=int, help="of `peers`; the rows, 1,000,000 at most")
    about.add_argument("--runs", type=int, default=3, help="that count")
    about.add_argument("--data", default=f"{CACHE}/data", help="where records are made and kept")
    about.add_argument("--program", default=f"{ROOT}/{PROGRAM}", help=f"default: {PROGRAM}")
    about.add_argument("--out", metavar="FILE", help="where the table is written, too")
    options = about.parse_args()
    if options.install:
        install()
        return
    names = options.only.split(",")
    if unknown := set(names) - set(WORKLOADS):
        about.error(f"no such workload: {', '.join(sorted(unknown))}")
    options.program, options.data = map(os.path.abspath, (options.program, options.data))
    options.peer_rows = options.peer_rows or min(options.rows, PEER_ROWS_MAX)
    build(options.program)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    opening, known, rows, text = opening_lines(options), versions(), [], ""
    for name in names:
        rows += rows_of(options, name)
        text = page(options, opening, known, rows)
        # After every workload: what was found stays if a later one is stopped.
        if options.out:
            with open(options.out, "w", encoding="utf-8") as file:
                file.write(text)
    print(text, end="")


if __name__ == "__main__":
    main()
