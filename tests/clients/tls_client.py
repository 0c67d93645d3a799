"""All three doors over TLS, with the authority's certificate and with a wrong one.

Not about client certificates: analysts have passwords. Needs a server that was started with --tls.
"""

import os
import ssl
import urllib.request

import psycopg

from checks import FLIGHT, HOST, PASSWORD, URL, USER, Checks, dsn, must, must_fail

DIRECTORY = os.environ["GRAUNT_TLS"]
AUTHORITY = f"{DIRECTORY}/authority.pem"
WRONG = os.environ["GRAUNT_TLS_WRONG"]
# The certificate's name; certificates of `graunt keys certificate` name no addresses.
NAME = "localhost"
checks = Checks("tls")
check = checks.check


def postgres(root=AUTHORITY, mode="verify-full", more=""):
    where = dsn().replace(f"host={HOST}", f"host={NAME} hostaddr={HOST}")
    return psycopg.connect(f"{where} sslmode={mode} sslrootcert={root} {more}", autocommit=True)


def postgres_door():
    with check("psycopg connects with sslmode=verify-full"):
        with postgres() as connection:
            must(connection.pgconn.ssl_in_use, "no TLS")
            must(connection.execute("SELECT 1").fetchone()[0] == 1, "no answer")
    with check("psycopg refuses another authority"):
        must_fail(lambda: postgres(root=WRONG), "(?i)certificate")
    with check("a connection without TLS is refused"):
        must_fail(lambda: psycopg.connect(f"{dsn()} sslmode=disable"))
    with check("a question is cancelled over TLS"):
        with postgres() as connection:
            connection.cancel_safe(timeout=10)
            must(connection.execute("SELECT 1").fetchone()[0] == 1, "no answer")


def page_door():
    port = URL.rsplit(":", 1)[1].rstrip("/")
    with check("the page is served over TLS"):
        context = ssl.create_default_context(cafile=AUTHORITY)
        with urllib.request.urlopen(f"https://{NAME}:{port}/health", context=context) as reply:
            must(reply.read().strip() == b"ok", "not ok")
    with check("the page's cookie is Secure"):
        body = f'{{"analyst":"{USER}","password":"{PASSWORD}"}}'.encode()
        headers = {"Content-Type": "application/json", "X-Graunt": "1"}
        request = urllib.request.Request(f"https://{NAME}:{port}/api/login", body, headers)
        with urllib.request.urlopen(request, context=context) as reply:
            must("secure" in (reply.headers["Set-Cookie"] or "").lower(), "not Secure")
    with check("TLS older than 1.2 is refused"):
        old = ssl.create_default_context(cafile=AUTHORITY)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        address = f"https://{NAME}:{port}/health"
        must_fail(lambda: urllib.request.urlopen(address, context=old))


def flight_door():
    import adbc_driver_flightsql.dbapi as flightsql

    port = FLIGHT.rsplit(":", 1)[1]

    def open_flight(root):
        with open(root, encoding="ascii") as file:
            options = {
                "username": USER,
                "password": PASSWORD,
                "adbc.flight.sql.client_option.tls_root_certs": file.read(),
            }
        return flightsql.connect(f"grpc+tls://{NAME}:{port}", db_kwargs=options, autocommit=True)

    with check("ADBC connects over grpc+tls"):
        with open_flight(AUTHORITY) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 AS one")
            must(cursor.fetchall() == [(1,)], "no answer")
    with check("ADBC refuses another authority"):
        must_fail(lambda: open_flight(WRONG))


def main():
    postgres_door()
    page_door()
    try:
        flight_door()
    except ImportError:
        print("skip tls: ADBC over TLS, since adbc-driver-flightsql is missing")
    checks.end()


main()
