"""What no client should send, at all three doors; after each, a good client is still served.

Not a load test, and no search for new attacks: a fixed list, on loopback, bounded in time.
"""

import json
import os
import re
import struct
import time
import urllib.parse

import psycopg

import wire
from checks import (
    BY_SEX, FLIGHT, HOST, PASSWORD, TINY_PASSWORD, URL, Checks, dsn, must, must_fail,
    spent_nano,
)

checks = Checks("hostile")
check = checks.check
PAGE_PORT = urllib.parse.urlsplit(URL).port or 0
FLIGHT_PORT = int(FLIGHT.rsplit(":", 1)[1]) if FLIGHT else 0
# What no reply may hold: panics, places in sources, paths, secrets, other analysts.
LEAKS = re.compile(
    r"panicked|RUST_BACKTRACE|\.rs:\d+|/src/|/(?:home|root|tmp|proc)/|\.graunt|root:x:0|"
    r"PRIVATE KEY|tiny|crowd"
)
SECRETS = [s for s in (PASSWORD, TINY_PASSWORD, os.environ.get("GRAUNT_HOME", "")) if s]


def clean(reply, sent=b""):
    """Fails the check at hand if a reply tells what it must not, save what was sent itself."""
    text = reply if isinstance(reply, str) else reply.decode("utf-8", "replace")
    known = sent if isinstance(sent, str) else sent.decode("utf-8", "replace")
    for found in LEAKS.finditer(text):
        must(found.group() in known, f"the reply tells {found.group()!r}")
    must(not any(secret in text for secret in SECRETS), "the reply tells a secret")


def serves():
    """Fails the check at hand unless a good client is served, and soon."""
    began = time.monotonic()
    with psycopg.connect(dsn(), autocommit=True, connect_timeout=20) as connection:
        must(connection.execute("SELECT 1").fetchone()[0] == 1, "no answer")
    must(time.monotonic() - began < 20, "a good client waits long")


def case(what, act, sent=b""):
    """One attack: its reply is clean, and a good client is served after it."""
    with check(what):
        clean(act() or b"", sent)
        serves()


def startups():
    for length in (0, 3, 4, 7, -1, -(2**31), 2**31 - 1, 10_001):
        sent = struct.pack("!i", length) + b"\0\3\0\0user\0ada\0\0"
        case(f"a startup message that says it is {length} bytes long", lambda s=sent: wire.throw(s))
    case("half a length", lambda: wire.throw(b"\0\0"))
    case("noise instead of a startup message", lambda: wire.throw(os.urandom(4096)))
    case("HTTP at the PostgreSQL door", lambda: wire.throw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
    ssl = struct.pack("!ii", 8, 80877103)
    case("noise after SSLRequest", lambda: wire.throw(ssl, b"\x16\x03\x01" + os.urandom(512)))
    case("a thousand SSLRequests", lambda: wire.throw(ssl * 1000))
    gss = struct.pack("!ii", 8, 80877104)
    case("GSSENCRequest and a login", lambda: wire.throw(gss, wire.login_message()))
    for protocol in (131072, 196608 + 99, 589824, 0):
        sent = wire.startup([(b"user", b"ada")], protocol)
        case(f"protocol {protocol >> 16}.{protocol & 65535}", lambda s=sent: wire.throw(s))
    case("no user", lambda: wire.throw(wire.startup([(b"database", b"x")])))
    case("no end of the names", lambda: wire.throw(struct.pack("!ii", 16, 196608) + b"user\0ada"))
    many = wire.startup([(b"k%d" % i, b"v") for i in range(900)])
    case("nine hundred startup parameters", lambda: wire.throw(many))

    def cancels():
        replies = b""
        for secret in range(200):
            sent = struct.pack("!iiii", 16, 80877102, secret % 7, secret)
            replies += wire.throw(sent, timeout=0.5)
        must(not replies, "a cancel request is answered")

    case("two hundred cancel requests with wrong secrets", cancels)


def logins():
    sasl = b"SCRAM-SHA-256\0"
    hello = wire.login_message()
    bodies = {
        "a query instead of a password": wire.query(b"SELECT 1"),
        "a plain password": wire.message(b"p", b"secret\0"),
        "an unknown mechanism": wire.message(b"p", b"PLAIN\0" + struct.pack("!i", 0)),
        "a SASL length beyond the message": wire.message(b"p", sasl + struct.pack("!i", 2**30)),
        "a negative SASL length": wire.message(b"p", sasl + struct.pack("!i", -5) + b"n,,n=,r=x"),
        "SCRAM with no nonce": wire.message(b"p", sasl + struct.pack("!i", 8) + b"n,,n=,r="),
        "SCRAM that is noise": wire.message(b"p", sasl + struct.pack("!i", 64) + os.urandom(64)),
        "a password message of 1 GB": wire.message(b"p", b"x" * 100, length=2**30),
    }
    for what, sent in bodies.items():
        case(f"{what} at login", lambda s=sent: wire.throw(hello, s))

    def guesses():
        said = ""
        for guess in range(30):
            said += str(must_fail(lambda g=guess: psycopg.connect(dsn(password=f"guess{g}"))))
        return said

    case("thirty wrong passwords", guesses)
    names = [
        b"ada'; DROP TABLE person; --", b'ada" OR "1"="1', b"../../etc/passwd", b"ada\nroot",
        b"%s%n%x", "\u202eada\u0000".encode().rstrip(b"\0"), b"\xff\xfe", b"a" * 5000, b"",
        b"tiny", b"ada\\", b"${jndi:ldap://x}", b"*",
    ]
    for name in names:
        user, population = wire.login_message(name), wire.login_message(database=name)
        case(f"user {name[:24]!r}", lambda s=user: wire.throw(s), name)
        case(f"population {name[:24]!r}", lambda s=population: wire.throw(s), name)


def statements():
    bind = b"\0\0" + struct.pack("!HH", 0, 65535)
    after = {
        "an unknown kind of message": wire.message(b"@", b"x"),
        "a length of -1": wire.message(b"Q", length=-1),
        "a length of 0": wire.message(b"Q", length=0),
        "a message of 2 GB": wire.message(b"Q", b"SELECT 1\0", length=2**31 - 1),
        "a query without its end": wire.message(b"Q", b"SELECT 1"),
        "a query with a null inside": wire.message(b"Q", b"SELECT 1\0; SELECT 2\0"),
        "a query that is no UTF-8": wire.query(b"SELECT '\xff\xfe\x80'"),
        "a bind of 65535 parameters that are not there": wire.message(b"B", bind),
        "a bind to no statement": wire.message(b"B", b"\0nope\0" + b"\0" * 6),
        "an execute of no portal": wire.message(b"E", b"nope\0\0\0\0\0"),
        "a describe of an unknown kind": wire.message(b"D", b"Xnope\0"),
        "a close of an unknown kind": wire.message(b"C", b"Xnope\0"),
        "copy data out of place": wire.message(b"d", b"x" * 1000),
        "a function call": wire.message(b"F", struct.pack("!iHHH", 1598, 0, 0, 0)),
        "another password": wire.message(b"p", b"x\0"),
        "a second startup message": wire.login_message(b"tiny"),
        "an empty message of each kind": b"".join(wire.message(bytes([k])) for k in range(65, 123)),
    }
    end = wire.message(b"S") + wire.message(b"X")
    for what, sent in after.items():
        case(f"{what}, after login", lambda s=sent: wire.Session().throw(s, end), sent)
    long = {
        "a statement of 20 MB": b"SELECT '" + b"x" * (20 << 20) + b"'",
        "a hundred thousand brackets": b"SELECT " + b"(" * 100_000 + b"1" + b")" * 100_000,
        "ten thousand unions": b" UNION ALL ".join([b"SELECT 1"] * 10_000),
        "two hundred thousand values": b"SELECT COUNT(*) FROM person WHERE year_of_birth IN ("
        + b",".join([b"1"] * 200_000) + b")",
        "twenty thousand columns": b"SELECT " + b",".join([b"1"] * 20_000),
        "ten thousand NOTs": b"SELECT " + b"NOT " * 10_000 + b"true",
        "five thousand nested CASEs": b"SELECT " + b"CASE WHEN true THEN " * 5000 + b"1"
        + b" END" * 5000,
    }
    for what, sql in long.items():
        sent = wire.query(sql) + wire.message(b"X")
        case(what, lambda s=sent: wire.Session().throw(s, timeout=30)[:100_000])


def settings():
    values = [
        "'1; DROP TABLE person'", "'NaN'", "1e309", "-1", "0", "'∞'", "''", "NULL", "DEFAULT; x",
        "'" + "9" * 10_000 + "'", "(SELECT 1)", "'0x1'", "10001", "1e-400",
    ]
    for value in values:
        def set_it(value=value):
            with psycopg.connect(dsn(), autocommit=True) as connection:
                try:
                    connection.execute(f"SET graunt.epsilon = {value}")
                except psycopg.Error as error:
                    return str(error)
                shown = float(connection.execute("SHOW graunt.epsilon").fetchone()[0])
                must(0.001 <= shown <= 10_000, f"epsilon is {shown}")
            return ""
        case(f"SET graunt.epsilon = {value[:24]}", set_it, value)
    for sql in (
        "SET graunt.dialect = '../../etc/passwd'", "SET graunt.home = '/'", "SHOW graunt.password",
        "SET session_authorization = 'tiny'", "SET ROLE tiny", "COPY person TO '/tmp/x'",
        "COPY (SELECT 1) TO PROGRAM 'id'", "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/'",
        "SELECT * FROM '/etc/passwd'", "SELECT pg_read_file('/etc/passwd')", "SHOW ALL",
        "SELECT * FROM pg_catalog.pg_authid", "SELECT * FROM pg_catalog.pg_shadow",
        "SELECT rolname FROM pg_catalog.pg_roles", "SELECT * FROM pg_stat_activity", "LOAD 'x'",
    ):
        def ask(sql=sql):
            with psycopg.connect(dsn(), autocommit=True) as connection:
                try:
                    cursor = connection.execute(sql)
                    return str(cursor.fetchall() if cursor.description else "")
                except psycopg.Error as error:
                    return str(error)
        case(sql, ask, sql)


def http(path, method="GET", headers=(), body=b"", timeout=3):
    """The raw reply to a raw request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}:{PAGE_PORT}", "Connection: close"]
    lines += list(headers) + ([f"Content-Length: {len(body)}"] if body else [])
    sent = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body
    return wire.throw(sent, port=PAGE_PORT, timeout=timeout)


def status_of(reply):
    found = re.match(rb"HTTP/1\.[01] (\d{3})", reply)
    return int(found.group(1)) if found else None


def paths():
    up = "../" * 8
    tried = [f"/{folder}/{up}etc/passwd" for folder in ("assets", "verifier", "log", "reports")]
    tried += [
        "/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/%252e%252e%252fetc%252fpasswd", "/assets/..\\..\\..\\etc\\passwd", "//etc/passwd",
        "/assets//etc/passwd", "/assets/%00", "/assets/app.mjs%00.html", "/reports/../../.graunt/",
        "/reports/%2e%2e/%2e%2e/.graunt/keys", "/log/../keys", "/log/tile/../../../keys",
        "/.graunt", "/../graunt.toml", "/assets/\xff\xfe", "/api/releases/../../keys",
        "/api/releases/zz", "/api/releases/" + "a" * 10_000, "/reports/CON/", "/verifier/",
        "/api/log?before=-1&count=99999999999999999999", "/api/log?count=1000000000", "/;/", "*",
        "http://evil.example/", "/" + "a" * 1_000_000,
    ]
    for path in tried:
        def get(path=path):
            reply = http(path)
            head, _, body = reply.partition(b"\r\n\r\n")
            status = status_of(reply)
            must(status is None or status < 500, f"status {status}")
            must(b"root:" not in body and b"PRIVATE" not in body, "a file of the machine")
            return reply
        case(f"GET {path[:60]!r}", get, path)


def requests():
    def refused(*given, **more):
        def act():
            reply = http(*given, **more)
            status = status_of(reply)
            must(status is None or 400 <= status < 500, f"status {status}")
            return reply
        return act

    case("a header of 1 MB", refused("/", headers=["X-Long: " + "x" * (1 << 20)]))
    case("twenty thousand headers", refused("/", headers=[f"X-{i}: 1" for i in range(20_000)]))
    for method in ("DELETE", "PUT", "PATCH", "TRACE", "CONNECT", "BREW"):
        case(f"{method} /api/ask", refused("/api/ask", method))
    case("GET /api/ask", refused("/api/ask"))
    case("POST /api/budgets", refused("/api/budgets", "POST", body=b"{}"))
    post = ["Content-Type: application/json", "X-Graunt: 1"]
    ask = json.dumps({"sql": "SELECT 1", "epsilon": 1, "delta": 1e-6, "id": "x"}).encode()
    for what, headers in {
        "without a login": post,
        "with a forged cookie": [*post, "Cookie: graunt=" + "a" * 64 + "; session=" + "b" * 64],
        "with a forged token": [*post, "Authorization: Bearer " + "a" * 64],
        "without X-Graunt": post[:1],
        "from another site": [*post[:1], "Origin: http://evil.example"],
    }.items():
        case(f"asking {what}", refused("/api/ask", "POST", headers, ask))
    bodies = {
        "no JSON": b"{", "no object": b"[]", "wrong types": b'{"analyst":1,"password":[]}',
        "not UTF-8": b'{"analyst":"\xff"}', "deep JSON": b"[" * 100_000 + b"]" * 100_000,
        "20 MB": b'{"analyst":"' + b"x" * (20 << 20) + b'"}', "a null": b'{"analyst":"a\\u0000"}',
    }
    for what, body in bodies.items():
        case(f"a login that is {what}", refused("/api/login", "POST", post, body))
    smuggled = ["Transfer-Encoding: chunked", "Content-Length: 5", *post]
    case("two lengths", refused("/api/login", "POST", smuggled))
    promised = [*post, "Content-Length: 99"]
    case("a body that is not there", lambda: http("/api/login", "POST", promised))
    case("bare line feeds", lambda: wire.throw(b"GET / HTTP/1.1\nHost: x\n\n", port=PAGE_PORT))
    case("noise at the page's door", lambda: wire.throw(os.urandom(4096), port=PAGE_PORT))

    def guesses():
        replies = b""
        for guess in range(30):
            body = json.dumps({"analyst": "ada", "password": f"guess{guess}"}).encode()
            reply = http("/api/login", "POST", post, body)
            must(status_of(reply) in (401, 403, 429), f"status {status_of(reply)}")
            replies += reply
        return replies

    case("thirty wrong logins at the page", guesses)


def flight():
    case("noise at the Flight door", lambda: wire.throw(os.urandom(4096), port=FLIGHT_PORT))
    get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    case("HTTP/1.1 at the Flight door", lambda: wire.throw(get, port=FLIGHT_PORT))
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    frame = b"\xff\xff\xff\x01\x04\x00\x00\x00\x01" + os.urandom(1000)
    case("a frame of 16 MB that is not there", lambda: wire.throw(preface, frame, port=FLIGHT_PORT))
    try:
        import pyarrow.flight as fl
    except ImportError:
        print("skip hostile: forged tickets, since pyarrow is missing")
        return

    def raw(act, **headers):
        def tried():
            pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
            options = fl.FlightCallOptions(timeout=10, headers=pairs)
            with fl.FlightClient(f"grpc://{FLIGHT}") as client:
                return str(must_fail(lambda: act(client, options)))
        return tried

    ticket = fl.Ticket(b"\x0a\x20type.googleapis.com/x" + os.urandom(64))
    descriptor = fl.FlightDescriptor.for_command(BY_SEX.format(year=1990).encode())
    acts = {
        "a ticket": lambda c, o: c.do_get(ticket, o).read_all(),
        "a question": lambda c, o: c.get_flight_info(descriptor, o),
        "a path": lambda c, o: c.get_flight_info(fl.FlightDescriptor.for_path("/etc/passwd"), o),
        "an action": lambda c, o: list(c.do_action(fl.Action("CreatePreparedStatement", b"x"), o)),
        "a list of flights": lambda c, o: list(c.list_flights(b"", o)),
    }
    for what, act in acts.items():
        case(f"{what} without a login", raw(act))
        case(f"{what} with a forged token", raw(act, authorization="Bearer " + "a" * 43))
        case(f"{what} with a wrong password", raw(act, authorization="Basic YWRhOm5v"))

    def logged_in(act):
        def tried():
            with fl.FlightClient(f"grpc://{FLIGHT}") as client:
                token = client.authenticate_basic_token("ada", PASSWORD)
                options = fl.FlightCallOptions(timeout=10, headers=[token])
                return str(must_fail(lambda: act(client, options)))
        return tried

    for what, act in acts.items():
        if what != "a list of flights":
            case(f"{what} that is forged, by an analyst", logged_in(act))


def main():
    spent = spent_nano()
    for part in (startups, logins, statements, settings):
        part()
    if PAGE_PORT:
        paths()
        requests()
    if FLIGHT_PORT:
        flight()
    with check("all that cost nothing"):
        must(spent_nano() == spent, f"{spent_nano() - spent} billionths of rho were spent")
    with check("the server takes less than 2 GiB afterwards"):
        with open(f"/proc/{os.environ['GRAUNT_PID']}/status", encoding="ascii") as file:
            rss_kib = int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
        must(rss_kib < 2 << 20, f"{rss_kib} KiB")
    checks.end()


main()
