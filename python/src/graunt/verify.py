"""Verifies receipts, offline, by the program `graunt`.

It checks nothing itself: signatures, proofs and the charge are checked by the program, against
those whom the caller trusts.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

from graunt import errors, program
from graunt.answer import Answer

#: The program's exit code for receipts that do not verify.
NOT_TRUSTED = 5

#: An answer, a receipt as a dictionary, or a file that holds one.
Receipt = Union[Answer, Mapping[str, Any], str, "os.PathLike[str]"]


@dataclass(frozen=True)
class Verification:
    """A receipt that verifies.

    Attributes:
        checks: what was checked, in order, a line each.
        is_log_trusted: whether the log's key is one that the caller trusts.
        are_keys_trusted: whether the signers' keys are.
        is_redacted: whether question and answer were erased; then only the charge is verified.
    """

    checks: tuple[str, ...]
    is_log_trusted: bool
    are_keys_trusted: bool
    is_redacted: bool

    def __str__(self) -> str:
        how = "its charge is verified; the answer was erased" if self.is_redacted else "verified"
        if not (self.is_log_trusted and self.are_keys_trusted):
            how += ", by keys of its own only"
        return "\n".join([how, *(f"  ok  {check}" for check in self.checks)])


def verify(
    receipt: Receipt,
    *,
    policy: str | os.PathLike[str] | None = None,
    log_key: str | None = None,
    keys: Sequence[str] = (),
    home: str | os.PathLike[str] | None = None,
    self_asserted: bool = False,
    allow_redacted: bool = False,
) -> Verification:
    """Verifies one receipt against those whom the caller trusts.

    Args:
        receipt: an answer, its receipt as a dictionary, or a file with one.
        policy: the file that `graunt keys policy` prints: which log, witnesses, sites and engines
            to believe, and nobody else.
        log_key: the verifier key that the log must have, if there is no policy.
        keys: public keys in base64 of engine and sites, if there is no policy.
        home: the directory whose keys are trusted, if neither policy nor keys are given;
            otherwise the program looks for one from the working directory up.
        self_asserted: believes the keys in the receipt, which shows only that it is whole.
        allow_redacted: takes a receipt whose question and answer were erased for verified.

    Raises:
        graunt.Unverified: the receipt does not verify.
        graunt.Error: the program is missing, or it was not said whom to trust.
    """
    chosen: list[str | os.PathLike[str]] = []
    if policy is not None:
        chosen += ["--policy", policy]
    if log_key is not None:
        chosen += ["--log-key", log_key]
    for key in keys:
        chosen += ["--key", key]
    if home is not None:
        chosen += ["--home", home]
    if self_asserted:
        chosen.append("--self-asserted")
    with _filed(receipt) as path:
        # The double hyphen keeps a path that begins with one from being read as a flag.
        exit_code, printed = program.run(["verify", *chosen, "--", path], allowed=(0, NOT_TRUSTED))
    verification = _read(exit_code, printed)
    if verification.is_redacted and not allow_redacted:
        message = "question and answer were erased; only the charge is verified"
        raise errors.Unverified(
            message,
            checks=verification.checks,
            hint="allow_redacted=True takes the charge alone",
        )
    is_trusted = verification.is_log_trusted and verification.are_keys_trusted
    if not is_trusted and not self_asserted:
        message = "the keys of the log or of the signers are not among those trusted"
        raise errors.Unverified(message, checks=verification.checks)
    return verification


def _read(exit_code: int, printed: Any) -> Verification:
    if not (isinstance(printed, list) and len(printed) == 1 and isinstance(printed[0], dict)):
        raise errors.Error("the program graunt printed no verification", code="internal")
    found = printed[0]
    checks = tuple(str(check) for check in found.get("checks", ()))
    is_redacted = found.get("redacted") is True
    # Both must hold: a program that fails for another reason has verified nothing.
    if exit_code != 0 or not (found.get("verified") is True or is_redacted):
        reason = str(found.get("error", "the receipt does not verify"))
        raise errors.Unverified(reason, checks=checks)
    return Verification(
        checks=checks,
        is_log_trusted=found.get("log_trusted") is True,
        are_keys_trusted=found.get("keys_trusted") is True,
        is_redacted=is_redacted,
    )


@contextmanager
def _filed(receipt: Receipt) -> Iterator[Path]:
    """The receipt as a file, for as long as it is needed."""
    if isinstance(receipt, (str, os.PathLike)):
        path = Path(receipt)
        if path.is_dir():
            message = f"{path} is a directory; one receipt is verified at a time"
            raise errors.Error(message, code="usage", hint="name a file, or loop over them")
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="graunt-receipt-") as directory:
        path = Path(directory) / "receipt.json"
        if isinstance(receipt, Answer):
            receipt.save_receipt(path)
        else:
            path.write_text(json.dumps(receipt), encoding="utf-8")
        yield path
