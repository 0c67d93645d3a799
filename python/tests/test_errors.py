"""Errors are read from the server's words as the driver passes them on."""

from __future__ import annotations

import json

import pytest

import graunt
from graunt import errors


class DriverError(Exception):
    """An error as the driver's: words, and trailers of the call."""

    def __init__(self, text: str, details: list[tuple[str, bytes]] | None = None) -> None:
        super().__init__(text)
        self.details = details or []


def test_a_rejection_has_its_rule_its_hint_and_its_place() -> None:
    text = (
        "INVALID_ARGUMENT: [FlightSQL] [R-JOIN-PERSON] v and o are joined without the person key\n"
        " hint: join on person_id (as every table has)\n"
        " at: line 3, column 14 (InvalidArgument; ExecuteQuery)"
    )
    error = errors.from_driver(DriverError(text))
    assert type(error) is graunt.Rejected
    assert error.code == "R-JOIN-PERSON"
    assert error.message == "v and o are joined without the person key"
    assert error.hint == "join on person_id (as every table has)"
    assert (error.line, error.column) == (3, 14)
    assert str(error) == (
        "[R-JOIN-PERSON] v and o are joined without the person key\n"
        "  at line 3, column 14\n"
        "  hint: join on person_id (as every table has)"
    )


def test_a_trailer_is_believed_before_the_words() -> None:
    value = {
        "code": "R-COLUMN",
        "message": "no field named größe",
        "line": 1,
        "column": 8,
        "hint": None,
    }
    detail = ("graunt-error-bin", json.dumps(value, ensure_ascii=False).encode())
    error = errors.from_driver(DriverError("INVALID_ARGUMENT: [FlightSQL] words", [detail]))
    assert type(error) is graunt.Rejected
    assert (error.code, error.message) == ("R-COLUMN", "no field named größe")
    assert (error.line, error.column, error.hint) == (1, 8, None)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("R-SYNTAX", graunt.Rejected),
        ("exhausted", graunt.Exhausted),
        ("untrusted", graunt.Untrusted),
        ("cancelled", graunt.Cancelled),
        ("failed", graunt.Failed),
        ("unauthorized", graunt.Unauthorized),
        ("store", graunt.Error),
    ],
)
def test_each_code_has_its_class(code: str, kind: type[graunt.Error]) -> None:
    text = f"INTERNAL: [FlightSQL] [{code}] words (Internal; DoGet: endpoint 0: remote: [])"
    error = errors.from_driver(DriverError(text))
    assert type(error) is kind
    assert (error.code, error.message) == (code, "words")


def test_what_failed_after_the_charge_has_its_incident() -> None:
    words = "the query failed after it was charged; the charge stands (incident 00f3a9c2b1d4e576)"
    text = f"INTERNAL: [FlightSQL] [failed] {words} (Internal; DoGet: endpoint 0: [])"
    error = errors.from_driver(DriverError(text))
    assert isinstance(error, graunt.Failed)
    assert error.incident == "00f3a9c2b1d4e576"
    assert error.message == words


def test_who_hangs_up_does_not_know_whether_it_was_charged() -> None:
    text = "CANCELLED: [FlightSQL] context canceled (Canceled; ExecuteQuery). Vendor code: 1"
    here = errors.from_driver(DriverError(text))
    assert isinstance(here, graunt.Cancelled) and here.is_charged is None
    text = "CANCELLED: [FlightSQL] [cancelled] nothing was charged (Canceled; ExecuteQuery)"
    there = errors.from_driver(DriverError(text))
    assert isinstance(there, graunt.Cancelled) and there.is_charged is False
    words = "the question was being charged when it was taken back; its answer is kept"
    late = errors.from_driver(DriverError(f"CANCELLED: [FlightSQL] [cancelled] {words} (Canceled)"))
    assert isinstance(late, graunt.Cancelled) and late.is_charged is None


def test_errors_of_the_way_have_no_code_of_the_server() -> None:
    text = (
        '[FlightSQL] connection error: desc = "transport: Error while dialing" '
        "(Unavailable; AuthenticateBasicToken). Vendor code: 14"
    )
    error = errors.from_driver(DriverError(f"IO: {text}"))
    assert type(error) is graunt.Error
    assert error.code == "unreachable"
    assert error.hint is not None and "--flight" in error.hint
    stream = errors.from_driver(OSError("[FlightSQL] endpoint 0 returned inconsistent schema"))
    assert (stream.code, stream.message) == (None, "endpoint 0 returned inconsistent schema")


def test_a_certificate_of_a_stranger_is_not_trusted() -> None:
    text = (
        'IO: [FlightSQL] connection error: desc = "transport: authentication handshake failed: '
        'tls: failed to verify certificate: x509: certificate signed by unknown authority" '
        "(Unavailable; AuthenticateBasicToken). Vendor code: 14"
    )
    error = errors.from_driver(DriverError(text))
    assert type(error) is graunt.Untrusted
    assert error.hint is not None and "tls_authority" in error.hint


def test_words_that_are_no_json_in_the_trailer_are_left() -> None:
    text = "INVALID_ARGUMENT: [FlightSQL] [R-TABLE] no table x (InvalidArgument; ExecuteQuery)"
    error = errors.from_driver(DriverError(text, [("graunt-error-bin", b"\xff")]))
    assert error.code == "R-TABLE"
