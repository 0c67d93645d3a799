"""The page's HTTP as the browser uses it: login, prices, questions, errors, files and headers.

Not a browser: what the page draws is tested elsewhere.
"""

import http.cookiejar
import json
import re
import urllib.error
import urllib.request
import uuid

from checks import (
    BY_SEX, JOINED, PASSWORD, SMALL, TINY, TINY_PASSWORD, URL, USER, Checks, must, must_match,
    spent_nano, verify,
)

YEAR = 2001
checks = Checks("page")
check = checks.check


class Browser:
    """One browser with cookies of its own."""

    def __init__(self):
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)

    def open(self, path, body=None, **headers):
        """Status, headers and text of a reply, whatever its status."""
        payload = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", "X-Graunt": "1", **headers}
        sent = {name: value for name, value in sent.items() if value is not None}
        request = urllib.request.Request(f"{URL}{path}", payload, sent)
        try:
            reply = self.opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            return reply.status, reply.headers, reply.read().decode()

    def json(self, path, body=None, status=200, **headers):
        """The JSON of a reply that must have this status."""
        found, _, text = self.open(path, body, **headers)
        must(found == status, f"{path}: {found} {text[:200]}")
        return json.loads(text)

    def login(self, user=USER, password=PASSWORD, status=200):
        return self.json("/api/login", {"analyst": user, "password": password}, status)

    def ask(self, sql, status=200, **more):
        body = {"sql": sql, "epsilon": 1.0, "delta": 1e-6, "id": str(uuid.uuid4()), **more}
        return self.json("/api/ask", body, status)


def files(browser):
    with check("the page and all that it names are served, under a strict policy"):
        status, headers, text = browser.open("/")
        must(status == 200 and "text/html" in headers["Content-Type"], status)
        must_match("default-src 'self'", headers["Content-Security-Policy"])
        must("unsafe-inline" not in headers["Content-Security-Policy"], "inline is allowed")
        must(not re.search(r"<script(?![^>]*src=)|<style|\son\w+=", text), "inline code")
        names = re.findall(r'(?:src|href)="(/[^"#]+)"', text)
        must(names, "no files are named")
        for name in names:
            must(browser.open(name)[0] == 200, name)
    with check("health, metrics and log"):
        must(browser.open("/health")[2].strip() == "ok", "health")
        must_match(r"(?m)^# (HELP|TYPE) ", browser.open("/metrics")[2])
        must(browser.open("/log/checkpoint")[0] == 200, "no checkpoint")


def public(browser):
    with check("about, catalogue, budgets, log and reports need no login"):
        must(browser.json("/api/about")["population"], "no population")
        tables = {t["name"]: t for t in browser.json("/api/catalogue")["tables"]}
        must(tables["person"]["unit"] == "person_id", tables.get("person"))
        must(tables["concept"]["whose"] == "public", tables.get("concept"))
        must(browser.json("/api/budgets")["budgets"], "no budgets")
        entries = browser.json("/api/log?count=5")["entries"]
        must(0 < len(entries) <= 5, entries)
        must("reports" in browser.json("/api/reports"), "no reports")
    with check("to ask, explain or cancel needs a login"):
        for path in ("/api/ask", "/api/explain", "/api/cancel"):
            body = {"sql": "SELECT 1", "epsilon": 1.0, "delta": 1e-6, "id": "x"}
            browser.json(path, body, status=401)
        must(browser.json("/api/me") == {"analyst": None}, "somebody")


def logins(browser):
    with check("a wrong password is refused"):
        must("error" in browser.login(password="wrong", status=401), "no error")
    with check("a login gives a cookie that scripts cannot read"):
        body = {"analyst": USER, "password": PASSWORD}
        _, headers, _ = browser.open("/api/login", body)
        cookie = headers.get("Set-Cookie", "")
        must_match("(?i)HttpOnly", cookie)
        must_match("(?i)SameSite=(Strict|Lax)", cookie)
        must(browser.json("/api/me") == {"analyst": USER}, "somebody else")


def answers(browser):
    sql = BY_SEX.format(year=YEAR)
    with check("explain gives plan and price and charges nothing"):
        spent = spent_nano()
        told = browser.json("/api/explain", {"sql": sql, "epsilon": 1.0, "delta": 1e-6})
        must(told["plan"] and told["quote"]["columns"][0]["noise"] > 0, told)
        must(spent_nano() == spent, "it was charged")
    with check("a count by sex with intervals, cost and a receipt that is accepted"):
        spent = spent_nano()
        told = browser.ask(sql)
        must([row["gender_concept_id"] for row in told["rows"]] == [8507, 8532], told["rows"])
        low, high = told["intervals"]["n"]
        must(all(row[low] <= row["n"] <= row[high] for row in told["rows"]), told["rows"])
        must(told["cost"]["rho_nano"] == spent_nano() - spent, "another charge than told")
        verify(json.dumps(told["receipt"]))
    with check("the same question again is free"):
        again = browser.ask(sql)
        must(again["is_repeat"] and again["rows"] == told["rows"], again)
        must(again["cost"]["rho_nano"] == 0, again["cost"])
    with check("a release is found by the query's name, with its charge"):
        release = browser.json(f"/api/releases/{told['query']}")
        must(release["charge"] and release["receipt"], release)
        must(Browser().json(f"/api/releases/{told['query']}")["receipt"] is None, "public")
    with check("a suppressed group is absent, and a note says so"):
        told = browser.ask(SMALL)
        must(0 < len(told["rows"]) < 8, told["rows"])
        must_match("not shown", str(told["notes"]))


def refusals(browser):
    with check("a refusal shows its code, hint and place"):
        error = browser.ask(JOINED, status=422)["error"]
        must(error["code"] == "R-JOIN-PERSON" and "person_id" in error["hint"], error)
        must(error["line"] == 1 and error["column"], error)
    with check("without X-Graunt nothing is asked"):
        body = {"sql": "SELECT 1", "epsilon": 1.0, "delta": 1e-6, "id": "csrf"}
        status, _, _ = browser.open("/api/ask", body, **{"X-Graunt": None})
        must(400 <= status < 500, status)
    with check("an exhausted budget is explained"):
        tiny = Browser()
        tiny.login(TINY, TINY_PASSWORD)
        body = {"sql": BY_SEX.format(year=YEAR - 20), "epsilon": 1.0, "delta": 1e-6, "id": "t"}
        status, _, text = tiny.open("/api/ask", body)
        must(400 <= status < 500, status)
        must(json.loads(text)["error"]["code"] == "exhausted", text[:200])
    with check("a logout ends the session"):
        must(browser.open("/api/logout", {})[0] == 204, "not 204")
        must(browser.json("/api/me") == {"analyst": None}, "still there")


def main():
    browser = Browser()
    for part in (files, public, logins, answers, refusals):
        part(browser)
    checks.end()


main()
