"""Times the demo's questions on Graunt, and the same SQL without privacy on DuckDB and polars.

Every question runs in a process of its own, three times; the best wall time and the largest peak
memory are shown. Graunt's time is that of a whole `graunt sql`: opening and checking the ledger,
checking every byte that is read, charging, noise, signing the receipt. The peers read the same
extract files and neither bound, noise nor record anything.

    pip install duckdb polars pyarrow
    cargo run --release -- demo
    python3 benches/peers.py graunt-demo target/release/graunt
"""

import glob
import os
import subprocess
import sys
import time

QUESTIONS = [
    ("persons by sex", "SELECT gender_concept_id, COUNT(*) AS n FROM person GROUP BY gender_concept_id"),
    (
        "hypertension by age band",
        "SELECT CASE WHEN year_of_birth > 1979 THEN 'under 40' WHEN year_of_birth > 1959 THEN '40-59' "
        "ELSE '60 and over' END AS band, COUNT(*) AS n FROM person WHERE person_id IN (SELECT person_id "
        "FROM condition_occurrence WHERE condition_concept_id = 320128) GROUP BY CASE WHEN year_of_birth "
        "> 1979 THEN 'under 40' WHEN year_of_birth > 1959 THEN '40-59' ELSE '60 and over' END",
    ),
    (
        "visits by kind",
        "SELECT visit_concept_id, COUNT(*) AS n FROM visit_occurrence GROUP BY visit_concept_id",
    ),
    (
        "systolic pressure by sex",
        "SELECT p.gender_concept_id, AVG(m.value_as_number) AS mmhg FROM measurement m JOIN person p ON "
        "m.person_id = p.person_id WHERE m.measurement_concept_id = 3004249 AND m.value_as_number "
        "BETWEEN 60 AND 260 GROUP BY p.gender_concept_id",
    ),
    ("sum of costs", "SELECT SUM(total_paid) AS paid FROM cost"),
    (
        "conditions by name",
        "SELECT c.concept_name, COUNT(DISTINCT o.person_id) AS n FROM condition_occurrence o JOIN concept "
        "c ON o.condition_concept_id = c.concept_id GROUP BY c.concept_name",
    ),
]
RUNS = 3


def extracts(home):
    """Directories of the extracts of a demo."""
    return sorted(os.path.dirname(p) for p in glob.glob(f"{home}/**/manifest.dsse.json", recursive=True))


def tables(home):
    """Parquet files by table, over all sites; of public tables one site's."""
    found = {}
    for site in extracts(home):
        for folder in sorted(glob.glob(f"{site}/*/")):
            name = os.path.basename(folder.rstrip("/"))
            files = sorted(glob.glob(f"{folder}*.parquet"))
            if len(files) > 1 or name not in found:
                found.setdefault(name, []).extend(files)
    return found


def run_peer(peer, home, sql):
    """Runs one question in this process; prints the seconds."""
    if peer == "duckdb":
        import duckdb

        start = time.perf_counter()
        connection = duckdb.connect()
        connection.execute("SET threads = 2")
        for name, files in tables(home).items():
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files!r})")
        connection.execute(sql).fetchall()
    else:
        import polars

        start = time.perf_counter()
        frames = {n: polars.scan_parquet(f) for n, f in tables(home).items() if f"{n}" in sql}
        polars.SQLContext(frames).execute(sql).collect()
    print(time.perf_counter() - start)


def timed(command, cwd=None):
    """Best wall seconds of a command, and of the question alone where it says so, and its largest
    peak memory in MiB. `command` is given the number of the run, and says its words."""
    best, alone, peak = float("inf"), float("inf"), 0
    for run in range(RUNS):
        words = command(run)
        start = time.perf_counter()
        child = subprocess.Popen(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, error = child.stdout.read(), child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            return f"fails: {error.decode(errors='replace').strip().splitlines()[-1:]}"
        best = min(best, time.perf_counter() - start)
        peak = max(peak, usage.ru_maxrss // 1024)
        if "--peer" in words:
            alone = min(alone, float(output))
    question = f" ({alone:.2f} s the question alone)" if alone < best else ""
    return f"{best:.2f} s{question}, {peak} MiB"


def main():
    home, graunt = sys.argv[1], os.path.abspath(sys.argv[2])
    rows = []
    for name, sql in QUESTIONS:

        def ask(run):
            # An epsilon of its own: the same question at the same price is answered from its release.
            epsilon = f"{0.05 + run * 1e-4 + os.getpid() % 9973 * 1e-9:.9f}"
            return [graunt, "sql", "--epsilon", epsilon, "--format", "csv", "-c", sql]

        cells = [timed(ask, home)]
        for peer in ("duckdb", "polars"):
            words = [sys.executable, __file__, "--peer", peer, home, sql]
            cells.append(timed(lambda run, words=words: words))
        rows.append((name, cells))
    print("| question | Graunt | DuckDB, no privacy | polars, no privacy |\n| --- | --- | --- | --- |")
    for name, cells in rows:
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    if sys.argv[1] == "--peer":
        run_peer(*sys.argv[2:])
    else:
        main()
