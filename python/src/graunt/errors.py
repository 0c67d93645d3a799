"""What can go wrong, sorted by who must act, and how it is read from what the server said.

It does not decide what is wrong: the code is the server's, and this only finds the class for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any


class Error(Exception):
    """A question has no answer, or the server cannot be asked.

    Attributes:
        code: the stable name: a rule such as `R-JOIN-PERSON`, or a word such as `exhausted`;
            None if the error is of the way to the server and not of the server.
        message: what went wrong, without code and hint.
        hint: what would be allowed or could be done, if that is known.
        line, column: where in the question, both from 1, if that is known.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.hint = hint
        self.line = line
        self.column = column
        super().__init__(message)

    def __str__(self) -> str:
        text = f"[{self.code}] {self.message}" if self.code else self.message
        if self.line is not None and self.column is not None:
            text += f"\n  at line {self.line}, column {self.column}"
        if self.hint:
            text += f"\n  hint: {self.hint}"
        return text


class Rejected(Error):
    """The question breaks a rule, whose name is `code`. Nothing was charged."""


class Exhausted(Error):
    """The budget does not hold what the question costs. Nothing was charged."""


class Untrusted(Error):
    """Bytes, a signature or a proof are wrong: stop, and find out what changed them."""


class Cancelled(Error):
    """The question was taken back.

    Attributes:
        is_charged: False if the server said that nothing was charged; None if it may have been,
            and only `Connection.budget` tells. If it was charged, asking it again in the
            same words gives the stored answer for nothing.
    """

    is_charged: bool | None = None


class Failed(Error):
    """Something failed after the charge, which stands.

    Attributes:
        incident: the number under which the operator's log says more, as hexadecimal text.
    """

    incident: str | None = None


class Unauthorized(Error):
    """The analyst's name or password is wrong, or the session ended."""


class Unverified(Error):
    """A receipt does not verify: do not rely on what it claims.

    Attributes:
        checks: what was found to be right before it, in the order of checking.
    """

    def __init__(
        self,
        message: str,
        *,
        checks: Iterable[str] = (),
        code: str | None = "unverified",
        hint: str | None = "ask the publisher; do not rely on what the receipt claims",
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.checks = tuple(checks)


def from_words(
    code: str | None,
    message: str,
    *,
    hint: str | None = None,
    line: int | None = None,
    column: int | None = None,
    incident: str | None = None,
) -> Error:
    """The error for a code, as the server and the program name them."""
    if code is not None and code.startswith("R-"):
        kind: type[Error] = Rejected
    else:
        kind = _KINDS.get(code or "", Error)
    error = kind(message, code=code, hint=hint, line=line, column=column)
    if isinstance(error, Cancelled):
        # What took too long after the charge has the same code; its answer is kept.
        error.is_charged = False if "nothing was charged" in message else None
    if isinstance(error, Failed):
        found = re.search(r"incident ([0-9A-Fa-f]+)", message)
        error.incident = incident or (found.group(1) if found else None)
    return error


def from_json(value: Mapping[str, Any]) -> Error:
    """The error that the server or the program wrote as an object."""

    def number(name: str) -> int | None:
        found = value.get(name)
        return found if isinstance(found, int) else None

    def text(name: str) -> str | None:
        found = value.get(name)
        return str(found) if found else None

    return from_words(
        text("code"),
        text("message") or "the server gave no reason",
        hint=text("hint"),
        line=number("line"),
        column=number("column"),
        incident=text("incident"),
    )


def from_text(text: str) -> Error:
    """The error in a message of the form `[code] reason`, with lines `hint: …` and `at: …`."""
    head, _, rest = text.strip().partition("\n")
    found = _CODE.match(head)
    code, message = (found.group(1), found.group(2)) if found else (None, head)
    said: list[str] = [message]
    hint: str | None = None
    line = column = None
    for following in rest.splitlines():
        stripped = following.strip()
        place = _PLACE.fullmatch(stripped)
        if place:
            line, column = int(place.group(1)), int(place.group(2))
        elif stripped.startswith("hint:"):
            hint = stripped.removeprefix("hint:").strip()
        elif hint is not None and stripped:
            hint = f"{hint} {stripped}"
        elif stripped:
            said.append(stripped)
    return from_words(code, "\n".join(said).strip(), hint=hint, line=line, column=column)


def from_driver(error: BaseException) -> Error:
    """The error behind one of the Flight SQL driver's.

    The driver wraps the server's words in its own: `INVALID_ARGUMENT: [FlightSQL] words
    (InvalidArgument; ExecuteQuery). Vendor code: 3`. Trailers of the call come as details.
    """
    for name, detail in _details(error):
        if name.lower() == "graunt-error-bin":
            try:
                value = json.loads(detail)
            except ValueError:
                continue
            if isinstance(value, dict):
                return from_json(value.get("error", value))
    text = _VENDOR.sub("", str(error).strip())
    wrapped = _WRAPPED.match(text)
    status = wrapped.group(1) if wrapped else None
    words = _CALL.sub("", _WRAPPED.sub("", text, count=1))
    # Servers of Arrow's C++ add this to their words; nothing after it is for analysts.
    words = words.split(". Detail: ", 1)[0]
    told = from_text(words)
    if told.code is not None:
        return told
    return _of_the_way(status, told.message, told.hint)


def _of_the_way(status: str | None, message: str, hint: str | None) -> Error:
    """An error that carries none of the server's codes: the way to it failed, or it is another."""
    if status == "CANCELLED":
        hint = (
            "budget() tells whether it was charged; if it was, asking again in the same words "
            "gives the stored answer for nothing"
        )
        return Cancelled("the question was taken back here", code="cancelled", hint=hint)
    if status == "UNAUTHENTICATED":
        hint = hint or "see that analyst and password are right; graunt analyst list shows names"
        return Unauthorized(message, code="unauthorized", hint=hint)
    if status == "IO" and "tls: " in message:
        hint = (
            "name the file of its authority in tls_authority, and the host as its certificate does"
        )
        return Untrusted(message, code="untrusted", hint=hint)
    if status in ("IO", "TIMEOUT"):
        hint = "see that graunt serve --flight is running there, and that the address is right"
        return Error(message, code="unreachable", hint=hint)
    return Error(message, hint=hint)


def _details(error: BaseException) -> list[tuple[str, bytes]]:
    found = getattr(error, "details", None) or []
    pairs = []
    for pair in found:
        if len(pair) != 2:
            continue
        name, detail = pair
        name = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        detail = detail if isinstance(detail, bytes) else str(detail).encode()
        pairs.append((name, detail))
    return pairs


_KINDS: dict[str, type[Error]] = {
    "rejected": Rejected,
    "exhausted": Exhausted,
    "untrusted": Untrusted,
    "cancelled": Cancelled,
    "failed": Failed,
    "unauthorized": Unauthorized,
}

_CODE = re.compile(r"\[([A-Za-z][A-Za-z0-9-]*)\]\s*(.*)", re.DOTALL)
_PLACE = re.compile(r"at:? line (\d+), column (\d+)")
_WRAPPED = re.compile(r"(?:([A-Z_]+): )?(?:\[Flight ?SQL\] )?")
# `(InvalidArgument; DoGet: endpoint 0: [grpc://…])`: a status in CamelCase, then the call.
_CALL = re.compile(r"\s*\([A-Z][A-Za-z]+; [A-Z][^()]*\)\s*$")
_VENDOR = re.compile(r"\. Vendor code: \d+\s*$")
