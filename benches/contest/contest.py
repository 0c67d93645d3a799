"""Runs the same questions on Graunt, plain DataFusion, DuckDB, polars and the DP peers, in one go.

Each measurement is a process of its own that repeats its query; the first run is warm-up and does
not count. Everything is held to the same cores. One Markdown table a group; rows that lose stay in
it, and what does not run says why. Peers' code is in `contest_peers.py`, Graunt's and DataFusion's
in the bench program `contest`.

    cargo bench --no-run --bench contest
    python3 benches/contest.py --install
    python3 benches/contest.py --out contest.md

Only --install needs a network. It does not measure Graunt's ledger, receipts or federation."""

import argparse
import glob
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

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
CACHE = os.path.expanduser("~/.cache/graunt-contest")
SECONDS_MAX = 1800
QUERIES = {
    "q0": ["q0"],
    "join": ["join"],
    "keys": ["keys"],
    "tpch": ["q01", "q05", "q06", "q14", "q19"],
    "peers": ["q0"],
}
GROUPS_MAX = 3
PEERS_ROWS, PEERS_GROUPS_MAX = 1_000_000, 2
PEERS_SQL = "SELECT region, sex, COUNT(*) AS n, SUM(cost) AS cost FROM visit GROUP BY region, sex"

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
    "pydp": "PyDP, bounding in pandas, public keys",
    "diffprivlib": "diffprivlib, bounding in pandas, public keys",
    "smartnoise": "SmartNoise SQL on pandas",
    "opendp": "OpenDP Polars",
    "pipelinedp": "PipelineDP, local",
}
NOT_RUN = {
    "DPSQL+": "is in no package index",
    "Tumult Analytics; PipelineDP on Spark": "want Java and Spark, and minutes a run",
    "GoogleSQL": "has no package; builds with bazel",
    "CWI `privacy` for DuckDB": "has no package for Python; an extension of DuckDB",
}


# Running. ----------------------------------------------------------------------------------------


def environment(threads):
    names = ["POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]
    return {**os.environ, **{name: str(threads) for name in names}}


def run(words, options):
    """The last JSON line of a program, or {"failed": reason}."""
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS_MAX,
            env=environment(options.threads),
            cwd=options.data,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer in {SECONDS_MAX} s"}
    except OSError as error:
        return {"failed": error.strerror}
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        return {"failed": tidy(next((line for line in reversed(said) if "rror" in line), said[-1]))}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {}


def tidy(text):
    """A reason fit for a table: without paths, addresses and bars, and not long."""
    text = re.sub(r"\w+://\S+", "…", text)
    text = re.sub(r"(?:/[\w.@+-]+){2,}", "…", text)
    return " ".join(text.replace("|", "/").split())[:160]


def ask_program(options, engine, data, query):
    words = [options.program, "ask", engine, data, query, place(options, data), str(options.runs)]
    return run(words, options)


def ask_peer(options, venv, peer, data, query, **more):
    python = f"{CACHE}/{venv}/bin/python"
    if not os.path.exists(python):
        try:
            with open(f"{CACHE}/{venv}.failed", encoding="utf-8") as reason:
                return {"failed": f"does not install: {reason.read()}"}
        except OSError:
            return {"failed": "not installed: see --install"}
    job = {"dir": place(options, data), "runs": options.runs, "threads": options.threads, **more}
    if query:
        said = sql_of(options, data, query)
        if "failed" in said:
            return said
        job["sql"] = said["sql"]
    return run([python, f"{HERE}/contest_peers.py", peer, json.dumps(job)], options)


def sql_of(options, data, query):
    if data == "peers":
        return {"sql": PEERS_SQL}
    words = [options.program, "sql", data, query]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    except OSError as error:
        return {"failed": f"no text of the query: {error.strerror}"}
    if done.returncode:
        return {"failed": f"no text of the query: {tidy(done.stderr)}"}
    return {"sql": done.stdout.strip()}


# Data. -------------------------------------------------------------------------------------------


def place(options, data):
    size = {"tpch": f"{options.scale:g}", "peers": PEERS_ROWS}.get(data, options.rows)
    return f"{options.data}/{data}-{size}"


def make(options, data):
    """Makes a group's data, unless this very program made it before."""
    folder = place(options, data)
    mark = f"{folder}/made.json"
    program = os.stat(options.program)
    made_by = [program.st_size, program.st_mtime_ns]
    if os.path.exists(mark):
        with open(mark, encoding="utf-8") as file:
            before = json.load(file)
        if before["made_by"] == made_by:
            return before["report"]
    os.makedirs(folder, exist_ok=True)
    size = f"{options.scale:g}" if data == "tpch" else options.rows
    if data == "peers":
        upload = ask_peer(options, "plain", "make upload", data, None, rows=PEERS_ROWS)
        if "failed" in upload:
            return upload
        size = 0
    report = run([options.program, "make", data, str(size), folder], options)
    if "failed" not in report:
        with open(mark, "w", encoding="utf-8") as file:
            json.dump({"made_by": made_by, "report": report}, file)
    return report


# Groups: rows of (query, system, report). --------------------------------------------------------


def engines(options, data):
    for query in QUERIES[data]:
        say(f"{data} {query}")
        yield query, "Graunt", ask_program(options, "graunt", data, query)
        yield query, "DataFusion, no privacy", ask_program(options, "datafusion", data, query)
        if query == "q0":
            report = ask_program(options, "datafusion", data, "q0person")
            yield query, "DataFusion, no privacy, reading the person's column too", report
        hand = {"groups": GROUPS_MAX}
        for peer, system, more in [
            ("duckdb", "DuckDB, no privacy", {}),
            ("duckdb bounded", "DuckDB, bounding by hand, no noise", hand),
            ("polars", "polars streaming, no privacy", {}),
        ]:
            yield query, system, ask_peer(options, "plain", peer, data, query, **more)
        if data == "q0":
            report = ask_peer(
                options, "plain", "duckdb bounded", data, query, upload=True, **hand
            )
            yield query, "DuckDB, bounding by hand, no noise, rows in no order", report


def peers(options, made):
    say("peers q0")
    graunt = ask_program(options, "graunt", "peers", "q0")
    yield "q0", "Graunt, from its extract", graunt
    yield "q0", "Graunt, making that extract (once)", {"once": True, **made}
    both = {name: report.get("seconds") for name, report in (("made", made), ("asked", graunt))}
    if all(both.values()):
        total = statistics.median(both["made"]) + median(graunt)
        yield "q0", "Graunt, both", {"seconds": [total], "once": True}
    more = {"upload": True, "groups": PEERS_GROUPS_MAX, "rows": PEERS_ROWS}
    for peer, system in [
        ("duckdb", "DuckDB, no privacy"),
        ("duckdb bounded", "DuckDB, bounding by hand, no noise"),
        ("polars", "polars streaming, no privacy"),
    ]:
        yield "q0", system, ask_peer(options, "plain", peer, "peers", "q0", **more)
    for peer, system in DP_PEERS.items():
        say(f"peers q0: {peer}")
        yield "q0", system, ask_peer(options, peer, peer, "peers", "q0", **more)
    for system, reason in NOT_RUN.items():
        yield "q0", system, {"failed": reason}


# Tables. -----------------------------------------------------------------------------------------


def counted(report):
    """Seconds of the runs that count: all but the first, where there are more."""
    seconds = report["seconds"]
    return seconds if report.get("once") or len(seconds) == 1 else seconds[1:]


def median(report):
    return statistics.median(counted(report))


def table(rows, wide):
    """`wide`: the peers' table, which also says what the answers are worth."""
    base, truth = {}, {}
    for query, system, report in rows:
        if report.get("seconds"):
            base.setdefault((query, system.split(",")[0]), median(report))
            if system == "DuckDB, no privacy":
                truth = {tuple(row[:2]): row[2:] for row in report.get("rows", [])}
    ratios = [] if wide else ["DataFusion"]
    head = ["query", "system", "median s", "least s", "times Graunt"]
    head += [f"times {name}" for name in ratios] + ["peak MiB", "rows"]
    head += ["of it reading s", "COUNT error", "SUM error"] if wide else []
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for query, system, report in rows:
        if not report.get("seconds"):
            reason = f"not run: {report.get('failed', 'said nothing')}"
            lines.append([query, system, reason] + ["–"] * (len(head) - 3))
            continue
        seconds = median(report)
        line = [query, system, figure(seconds), figure(min(counted(report)))]
        for name in ["Graunt", *ratios]:
            line.append(f"{seconds / base[query, name]:.2f}" if (query, name) in base else "–")
        peak = report.get("peak_mib")
        line.append("–" if peak is None else f"{peak:.0f}")
        line.append(str(report.get("row_count", len(report.get("rows", [])) or "–")))
        if wide:
            reading = report.get("reading")
            line.append(figure(statistics.median(reading[1:] or reading)) if reading else "–")
            line += errors(report.get("rows", []), truth)
        lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(seconds):
    return f"{seconds:.3f}" if seconds < 10 else f"{seconds:.1f}"


def errors(rows, truth):
    """Median relative error of COUNT and of SUM over the true groups; a group not there is wrong
    by all of itself."""
    rows = [[*row.values()] if isinstance(row, dict) else row for row in rows]
    found = {tuple(row[:2]): row[2:] for row in rows if len(row) == 4}
    if not truth or not set(found) & set(truth):
        return ["–", "–"]
    cells = []
    for index in (0, 1):
        wrong = [
            abs(float(found[key][index] or 0) - true[index]) / true[index] if key in found else 1
            for key, true in truth.items()
        ]
        cells.append(f"{100 * statistics.median(wrong):.2f} %")
    return cells


# Where, and what with. ---------------------------------------------------------------------------


def field(path, name):
    with open(path, encoding="utf-8") as file:
        found = re.search(rf"^{name}\s*[:=]\s*\"?([^\"\n]*)", file.read(), re.M)
    return found[1].strip() if found else "unknown"


def opening_lines(options):
    memory = int(field("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    kernel = platform.release().split("-")[0]
    about = [
        f"CPU: {field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, "
        f"{options.threads} of them used",
        f"Memory: {memory:.1f} GiB",
        f"System: {field('/etc/os-release', 'PRETTY_NAME')}, Linux {kernel}",
        f"Load average at the start: {os.getloadavg()[0]:.1f}",
    ]
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return [f"# Contest of {day}", "", *(f"- {line}" for line in about)]


def first_line(*words):
    try:
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    except OSError:
        return "unknown"
    return (done.stdout.splitlines() or [""])[0]


def versions(reports):
    found = {"Python": platform.python_version()}
    try:
        with open(f"{ROOT}/Cargo.lock", "rb") as file:
            packages = {p["name"]: p["version"] for p in tomllib.load(file)["package"]}
        commit = first_line("git", "rev-parse", "--short=10", "HEAD") or "unknown"
        changed = " with changes" if first_line("git", "status", "--porcelain") else ""
        found["Graunt"] = f"{packages.get('graunt', '')} at {commit}{changed}".strip()
        found["DataFusion"] = packages["datafusion"]
        found["rustc"] = first_line("rustc", "-V").split()[1]
    except (OSError, KeyError, IndexError):
        pass
    by_system = {}
    for system, report in reports:
        said = report.get("versions")
        if isinstance(said, dict):
            by_system[system.split(",")[0]] = ", ".join(f"{k} {v}" for k, v in said.items())
    lines = [f"{name} {value}" for name, value in found.items()]
    return lines + [f"{system}: {value}" for system, value in by_system.items()]


def write(options, opening, tables, reports):
    text = [*opening]
    text += ["", "Versions:", "", *(f"- {line}" for line in versions(reports)), ""]
    text += [
        f"Median of {max(options.runs - 1, 1)} runs in one process, after one that does not count, "
        "from files on disk (in the page cache by then) to rows in hand; a process's start is not "
        "in it. Peak memory is that of the whole process. An engine keeps its connection, and what "
        "it caches, over its runs.",
    ]
    for name, group in tables:
        title = TITLES[name].format(rows=options.rows, scale=options.scale)
        text += ["", f"## {title}", "", group]
    text = "\n".join(text) + "\n"
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(text)


TITLES = {
    "q0": "q0: {rows:,} visits, 100 groups",
    "join": "join: {rows:,} visits and the same persons' drugs",
    "keys": "keys: {rows:,} visits, 100,000 groups",
    "tpch": "tpch: TPC-H at scale {scale:g}, a customer is the person",
    "peers": f"peers: {PEERS_ROWS:,} visits in no order, epsilon 1, delta 1e-6, at most "
    f"{PEERS_GROUPS_MAX} groups a person",
}


# Commands. ---------------------------------------------------------------------------------------


def install(newest):
    os.makedirs(CACHE, exist_ok=True)
    for venv, wanted in VENVS.items():
        wanted = [re.sub(r"==[\w.]+", "", name) for name in wanted] if newest else wanted
        say(f"installs {venv}: {' '.join(wanted)}")
        folder, failed = f"{CACHE}/{venv}", f"{CACHE}/{venv}.failed"
        python = f"{folder}/bin/python"
        reason = ""
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--upgrade"]
        for words in ([sys.executable, "-m", "venv", folder], [*pip, *wanted]):
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode:
                reason = tidy((done.stderr.strip().splitlines() or ["no reason given"])[-1])
                break
        if reason:
            say(f"  fails: {reason}")
            shutil.rmtree(folder, ignore_errors=True)
            with open(failed, "w", encoding="utf-8") as file:
                file.write(reason)
        elif os.path.exists(failed):
            os.remove(failed)


def contest(options, groups):
    cores = sorted(os.sched_getaffinity(0))[: options.threads]
    os.sched_setaffinity(0, cores)
    options.threads = len(cores)
    os.makedirs(options.data, exist_ok=True)
    opening, tables, reports = opening_lines(options), [], []
    for name in groups:
        say(f"{name}: makes its data")
        made = make(options, name)
        if "failed" in made:
            say(f"  fails: {made['failed']}")
        rows = list(peers(options, made) if name == "peers" else engines(options, name))
        reports += [(system, report) for _, system, report in rows]
        tables.append((name, table(rows, name == "peers")))
        # After every group: what was measured stays if a later one is stopped.
        write(options, opening, tables, reports)


def default_program():
    target = os.environ.get("CARGO_TARGET_DIR", f"{ROOT}/target")
    found = glob.glob(f"{target}/release/deps/contest-*")
    found = [path for path in found if os.access(path, os.X_OK) and not path.endswith(".d")]
    return max(found, key=os.path.getmtime, default=None)


def say(text):
    print(text, file=sys.stderr, flush=True)


def main():
    about = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    about.add_argument("--install", action="store_true", help="make the virtual environments")
    about.add_argument("--newest", action="store_true", help="install the newest, not the named")
    about.add_argument("--only", default=",".join(QUERIES), help="groups, with commas between")
    about.add_argument("--rows", type=int, default=10_000_000)
    about.add_argument("--scale", type=float, default=1, help="of TPC-H")
    about.add_argument("--runs", type=int, default=5)
    about.add_argument("--threads", type=int, default=2, help="cores that everything is held to")
    about.add_argument("--data", default=f"{CACHE}/data", help="where data are made and kept")
    about.add_argument("--program", default=default_program())
    about.add_argument("--out")
    options = about.parse_args()
    if options.install:
        install(options.newest)
        return
    groups = options.only.split(",")
    if unknown := set(groups) - set(QUERIES):
        about.error(f"no such group: {', '.join(sorted(unknown))}")
    if not options.out or not options.program:
        about.error("--out FILE is needed, and --program or `cargo bench --no-run` before")
    options.program, options.data = map(os.path.abspath, (options.program, options.data))
    contest(options, groups)


if __name__ == "__main__":
    main()
