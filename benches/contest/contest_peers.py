"""One measurement of `contest.py`: one peer, one query, one process, in the peer's own virtual
environment. Prints one JSON line: seconds of each run from files on disk to rows in hand (imports
and, of Qrlew, the description of the table are outside it), the process's peak memory, the number
of rows, the version.

Every DP peer releases COUNT(*) and SUM(cost) by region and sex at epsilon 1, delta 1e-6, of at most
2 groups a person and 15 rows a group (30 rows where a peer bounds only rows), cost in [0, 5000].
It does not choose what is run, and compares nothing."""

import glob
import json
import os
import re
import sys
import tempfile
import time
import warnings
from importlib.metadata import version

EPSILON, DELTA = 1.0, 1e-6
GROUPS_MAX, ROWS_MAX, COST_MAX = 2, 15, 5000.0
KEYS = ["region", "sex"]
COLUMNS = ["person_id", *KEYS, "cost"]
# Columns that say whose row it is.
PERSONS = ("person_id", "custkey", "c_custkey", "o_custkey")
# Where a person's part of an aggregate is cut off: what the bound is does not change the time.
PART_MAX = 1_000_000_000


def files(job):
    """Parquet files by table: of the extract, or of the upload as it came."""
    if job.get("upload"):
        return {"visit": [f"{job['dir']}/upload.parquet"]}
    folders = sorted(glob.glob(f"{job['dir']}/extract/*/"))
    found = {os.path.basename(f.rstrip("/")): sorted(glob.glob(f"{f}*.parquet")) for f in folders}
    return {name: paths for name, paths in found.items() if paths}


def upload(job):
    return f"{job['dir']}/upload.parquet"


# Engines without privacy. ------------------------------------------------------------------------


def duck(job):
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {job['threads']}")
    for name, paths in files(job).items():
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({paths!r})")
    return connection


def duckdb_plain(job):
    connection = duck(job)
    # Columns in hand, as DataFusion and polars give them.
    return lambda: connection.execute(job["sql"]).to_arrow_table().num_rows


def duckdb_bounded(job):
    connection = duck(job)
    columns = {}
    for name in files(job):
        described = connection.execute(f"DESCRIBE {name}").fetchall()
        columns[name] = [row[0] for row in described]
    sql = bounded(job["sql"], columns, job["groups"])
    return lambda: connection.execute(sql).to_arrow_table().num_rows


def polars_streaming(job):
    import polars

    frames = {name: polars.scan_parquet(paths) for name, paths in files(job).items()}
    context = polars.SQLContext(frames)
    return lambda: context.execute(job["sql"]).collect(engine="streaming").height


# Bounding by hand. -------------------------------------------------------------------------------


def bounded(sql, columns, groups_max):
    """The query with each person's part aggregated first, cut off, and kept for at most
    `groups_max` groups; without noise. For one SELECT of SUM, COUNT and AVG, joined or not."""
    text = " ".join(sql.split()).rstrip("; ")
    if re.match(r"WITH\b", text, re.I) or re.search(r"\bHAVING\b|\(\s*SELECT\b", text, re.I):
        raise ValueError("no bounding by hand for WITH, HAVING or a subquery")
    text = before_and_after(before_and_after(text, "ORDER BY")[0], "LIMIT")[0]
    body, group = before_and_after(text, "GROUP BY")
    head, source = before_and_after(body, "FROM")
    items = [split_alias(item) for item in commas(re.sub(r"^SELECT\s", "", head, flags=re.I))]
    keys = [key_of(key, items) for key in commas(group)] if group else []
    parts, outer = [], []
    for index, (item, alias) in enumerate(items):
        shown = f"k{keys.index(item)}" if item in keys else outer_of(item, parts)
        outer.append(f"{shown} AS {alias or f'c{index}'}")
    named = [f"{key} AS k{index}" for index, key in enumerate(keys)]
    inner = ", ".join([f"{person_of(source, columns)} AS whose", *named, *parts])
    inner = f"SELECT {inner} FROM {source} GROUP BY whose"
    if not keys:
        return f"SELECT {', '.join(outer)} FROM ({inner})"
    names = ", ".join(f"k{index}" for index in range(len(keys)))
    ranked = (
        f"SELECT *, ROW_NUMBER() OVER (PARTITION BY whose ORDER BY hash(whose, {names})) AS place "
        f"FROM ({inner}, {names})"
    )
    return f"SELECT {', '.join(outer)} FROM ({ranked}) WHERE place <= {groups_max} GROUP BY {names}"


def before_and_after(text, words):
    """What is before and after the first of these words that is inside no bracket."""
    for match in re.finditer(rf"\s{words}\s", text, re.I):
        before = text[: match.start()]
        if before.count("(") == before.count(")"):
            return before, text[match.end() :]
    return text, ""


def commas(text):
    """Splits at the commas that are inside no bracket and no string."""
    found, depth, quoted, start = [], 0, False, 0
    for index, letter in enumerate(text):
        quoted ^= letter == "'"
        if not quoted:
            depth += (letter == "(") - (letter == ")")
            if letter == "," and depth == 0:
                found.append(text[start:index].strip())
                start = index + 1
    return [*found, text[start:].strip()]


def split_alias(item):
    match = re.fullmatch(r"(.+?)\s+AS\s+(\w+)", item, re.I)
    return match.groups() if match else (item, None)


def key_of(key, items):
    """What a grouping key stands for: an item's place, an item's alias, or itself."""
    if key.isdigit():
        return items[int(key) - 1][0]
    return next((item for item, alias in items if alias and alias.lower() == key.lower()), key)


def outer_of(item, parts):
    """The item with each aggregate taken over the persons' parts, which are added to `parts`."""
    out, rest = "", item
    while call := re.search(r"\b(SUM|COUNT|AVG)\s*\(", rest, re.I):
        depth, end = 1, call.end()
        while depth:
            depth += (rest[end] == "(") - (rest[end] == ")")
            end += 1
        kind, argument = call[1].upper(), rest[call.end() : end - 1].strip()
        out += rest[: call.start()] + aggregate_of(kind, argument, parts)
        rest = rest[end:]
    return out + rest


def aggregate_of(kind, argument, parts):
    def part(expression):
        parts.append(
            f"LEAST(GREATEST({expression}, -{PART_MAX}), {PART_MAX}) AS a{len(parts)}"
        )
        return f"SUM(a{len(parts) - 1})"

    distinct = re.match(r"DISTINCT\s+(?:\w+\.)?(\w+)$", argument, re.I)
    if distinct:
        if distinct[1].lower() not in PERSONS:
            raise ValueError("no bounding by hand for COUNT(DISTINCT) of other than persons")
        return part("1")
    if kind == "AVG":
        return f"({part(f'SUM({argument})')} / {part(f'COUNT({argument})')})"
    return part(f"{kind}({argument})")


def person_of(source, columns):
    """The person's column of the first table of FROM that has one."""
    taken = r"(?!(?:WHERE|JOIN|ON|INNER|LEFT|RIGHT|FULL|CROSS|USING|NATURAL)\b)"
    names = "|".join(sorted(columns, key=len, reverse=True))
    pattern = rf"(?:^|,|\bJOIN)\s*({names})\b(?:\s+(?:AS\s+)?{taken}(\w+))?"
    for table, alias in re.findall(pattern, source, re.I):
        owned = [c for c in columns[table.lower()] if c.lower() in PERSONS]
        if owned:
            return f"{alias or table}.{owned[0]}"
    raise ValueError("no table of the query says whose row it is")


# DP peers. ---------------------------------------------------------------------------------------


def qrlew(job):
    """Rewrites the SQL and runs what comes out on DuckDB. It takes its description of the table
    from a database, here SQLite, whose exact row count enters the rewriting."""
    import duckdb
    import pyqrlew
    import sqlalchemy

    connection = duckdb.connect()
    connection.execute(f"SET threads = {job['threads']}")
    connection.execute(f"CREATE VIEW visit AS SELECT * FROM read_parquet('{upload(job)}')")
    home = tempfile.TemporaryDirectory()
    database = sqlalchemy.create_engine(f"sqlite:///{home.name}/visit.db")
    with database.begin() as writer:
        raw = writer.connection.driver_connection
        raw.execute(
            "CREATE TABLE visit (person_id INTEGER, region VARCHAR, sex VARCHAR, cost FLOAT)"
        )
        rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM visit")
        while chunk := rows.fetchmany(50_000):
            raw.executemany("INSERT INTO visit VALUES (?, ?, ?, ?)", chunk)
    dataset = pyqrlew.Dataset.from_database("contest", database, None)
    dataset = dataset.with_range(None, "visit", "cost", 0.0, COST_MAX)

    def ask():
        budget = {"epsilon": EPSILON, "delta": DELTA}
        rewritten = dataset.relation(job["sql"]).rewrite_with_differential_privacy(
            dataset, [("visit", [], "person_id")], budget, float(ROWS_MAX), 1.0, GROUPS_MAX
        )
        sql = rewritten.relation().to_query(pyqrlew.Dialect.PostgreSql)
        return len(connection.execute(sql).fetchall())

    ask.home = home
    return ask


def smartnoise(job):
    """Charges epsilon for each of three columns (persons, COUNT, SUM): each is given a third."""
    import pandas
    import snsql

    table = {name: {"name": name, "type": "string"} for name in KEYS}
    table["person_id"] = {"name": "person_id", "type": "int", "private_id": True}
    table["cost"] = {"name": "cost", "type": "float", "lower": 0.0, "upper": COST_MAX}
    table |= {"max_ids": GROUPS_MAX * ROWS_MAX, "row_privacy": False, "rows": job["rows"]}
    sql = re.sub(r"\bFROM visit\b", "FROM clinic.visit", job["sql"], flags=re.I)

    def ask():
        frame = pandas.read_parquet(upload(job), columns=COLUMNS)
        privacy = snsql.Privacy(epsilon=EPSILON / 3, delta=DELTA / 3)
        metadata = {"": {"clinic": {"visit": table}}}
        reader = snsql.from_df(frame, privacy=privacy, metadata=metadata)
        # The first row is the names.
        return len(reader.execute(sql)) - 1

    return ask


def opendp(job):
    """Of `truncate_num_groups` the default `keep` fails, and "first" keeps one group too few."""
    import opendp.prelude as dp
    import polars

    dp.enable_features("contrib")
    length = 2 * job["rows"]
    margins = [
        dp.polars.Margin(max_length=length, max_groups=1),
        dp.polars.Margin(by=KEYS, max_length=length, max_groups=1000),
    ]

    def ask():
        context = dp.Context.compositor(
            data=polars.scan_parquet(upload(job)).select(COLUMNS),
            privacy_unit=dp.unit_of(contributions=1, identifier=polars.col("person_id")),
            privacy_loss=dp.loss_of(epsilon=EPSILON, delta=DELTA),
            split_evenly_over=1,
            margins=margins,
        )
        query = context.query().truncate_per_group(ROWS_MAX, by=KEYS)
        query = query.truncate_num_groups(GROUPS_MAX, by=KEYS, keep="first").group_by(KEYS)
        total = polars.col("cost").dp.sum((0.0, COST_MAX))
        return query.agg(dp.len().alias("n"), total).release().collect().height

    return ask


def kept(job):
    """By hand, in pandas: the rows that the bounds keep, in no order, by group."""
    import pandas

    frame = pandas.read_parquet(upload(job), columns=COLUMNS).sample(frac=1)
    frame = frame[frame.groupby(["person_id", *KEYS]).cumcount() < ROWS_MAX]
    pairs = frame[["person_id", *KEYS]].drop_duplicates()
    pairs = pairs[pairs.groupby("person_id").cumcount() < GROUPS_MAX]
    return frame.merge(pairs).groupby(KEYS).cost


def pydp(job):
    """A library of sums: bounding by hand, keys taken as public."""
    from pydp.algorithms.laplacian import BoundedSum, Count

    bounds = {"l0_sensitivity": GROUPS_MAX, "linf_sensitivity": ROWS_MAX, "dtype": "float"}

    def ask():
        rows = []
        for key, cost in kept(job):
            count = Count(epsilon=EPSILON / 2, **bounds)
            total = BoundedSum(
                epsilon=EPSILON / 2, lower_bound=0.0, upper_bound=COST_MAX, **bounds
            )
            n = count.quick_result([1.0] * len(cost))
            rows.append((*key, n, total.quick_result(cost.tolist())))
        return len(rows)

    return ask


def diffprivlib(job):
    """A library of sums of rows: bounding by hand, epsilon split over a person's rows, public
    keys."""
    import diffprivlib.tools as tools
    import numpy

    epsilon = EPSILON / 2 / (GROUPS_MAX * ROWS_MAX)

    def ask():
        rows = []
        for key, cost in kept(job):
            n = tools.count_nonzero(numpy.ones(len(cost)), epsilon=epsilon)
            total = tools.sum(cost.to_numpy(), epsilon=epsilon, bounds=(0.0, COST_MAX))
            rows.append((*key, float(n), float(total)))
        return len(rows)

    return ask


def pipelinedp(job):
    import pandas
    import pipeline_dp

    parameters = pipeline_dp.AggregateParams(
        metrics=[pipeline_dp.Metrics.COUNT, pipeline_dp.Metrics.SUM],
        noise_kind=pipeline_dp.NoiseKind.LAPLACE,
        max_partitions_contributed=GROUPS_MAX,
        max_contributions_per_partition=ROWS_MAX,
        min_value=0.0,
        max_value=COST_MAX,
    )
    extractors = pipeline_dp.DataExtractors(
        privacy_id_extractor=lambda row: row[0],
        partition_extractor=lambda row: row[1],
        value_extractor=lambda row: row[2],
    )

    def ask():
        frame = pandas.read_parquet(upload(job), columns=COLUMNS)
        rows = list(zip(frame.person_id, zip(frame.region, frame.sex), frame.cost))
        accountant = pipeline_dp.NaiveBudgetAccountant(total_epsilon=EPSILON, total_delta=DELTA)
        engine = pipeline_dp.DPEngine(accountant, pipeline_dp.LocalBackend())
        answer = engine.aggregate(rows, parameters, extractors)
        accountant.compute_budgets()
        return len([(*key, sums.count, sums.sum) for key, sums in answer])

    return ask


# The table of the peers' question. ---------------------------------------------------------------


def make_upload(job):
    """Visits, 10 a person in the mean with a long tail, 3 % of them away from the person's region,
    in no order; the same of every run."""
    import numpy
    import pyarrow
    import pyarrow.parquet

    random = numpy.random.default_rng(1662)
    rows, persons = job["rows"], job["rows"] // 10
    # A person's share is exponential, so that the numbers of visits are about geometric.
    share = random.exponential(size=persons)
    visits = 1 + random.multinomial(rows - persons, share / share.sum())
    whose = random.permutation(numpy.repeat(numpy.arange(persons), visits))
    names = [f"region {letter}" for letter in "ABCDEFGH"]
    weights = [0.2, 0.18, 0.16, 0.14, 0.12, 0.1, 0.08, 0.02]
    home = random.choice(len(names), persons, p=weights)
    away = random.random(rows) < 0.03
    region = numpy.where(away, random.integers(0, len(names), rows), home[whose])
    sex = random.integers(0, 2, persons)[whose]
    table = {
        "person_id": pyarrow.array(whose.astype("int64")),
        "region": pyarrow.array(numpy.array(names)[region]),
        "sex": pyarrow.array(numpy.array(["F", "M"])[sex]),
        "cost": pyarrow.array(numpy.round(random.lognormal(5.0, 1.2, rows), 2)),
    }
    path = upload(job)
    pyarrow.parquet.write_table(pyarrow.table(table), path, compression="zstd")


PEERS = {
    "duckdb": (duckdb_plain, ["duckdb"]),
    "duckdb bounded": (duckdb_bounded, ["duckdb"]),
    "polars": (polars_streaming, ["polars"]),
    "qrlew": (qrlew, ["pyqrlew", "duckdb"]),
    "smartnoise": (smartnoise, ["smartnoise-sql", "opendp"]),
    "opendp": (opendp, ["opendp", "polars"]),
    "pydp": (pydp, ["python-dp"]),
    "diffprivlib": (diffprivlib, ["diffprivlib"]),
    "pipelinedp": (pipelinedp, ["pipeline-dp"]),
}


def peak_mib():
    """The most memory this process has held; of this process only, not of one it came from."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main():
    warnings.filterwarnings("ignore")
    peer, job = sys.argv[1], json.loads(sys.argv[2])
    if peer == "make upload":
        make_upload(job)
        return
    peer, packages = PEERS[peer]
    ask = peer(job)
    seconds, rows = [], 0
    for _ in range(job["runs"]):
        start = time.perf_counter()
        rows = ask()
        seconds.append(time.perf_counter() - start)
    others = [f"{name} {version(name)}" for name in packages[1:]]
    report = {
        "seconds": seconds,
        "peak_mib": round(peak_mib()),
        "rows": rows,
        "version": ", ".join([version(packages[0]), *others]),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
