"""What questions cost, and what an account holds: exact integers with their readable forms.

It converts nothing between (epsilon, delta) and rho: the server does, and rounds against the
spender.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cost:
    """A privacy loss, in (rho, delta) of approximate zero-concentrated differential privacy.

    `rho_nano` counts billionths of rho and `delta_atto` units of 1e-18 of delta: these two are
    what accounts add up. `epsilon`, where it is known, is what they amount to at the failure
    probability `epsilon_at_delta`, and is for display.
    """

    rho_nano: int
    delta_atto: int
    epsilon: float | None = None
    epsilon_at_delta: float | None = None

    @property
    def rho(self) -> float:
        """Rho, at least 0."""
        return self.rho_nano / 1e9

    @property
    def delta(self) -> float:
        """The failure probability that adds up beside rho, from 0 to 1."""
        return self.delta_atto / 1e18

    @property
    def is_zero(self) -> bool:
        """Whether it is nothing, as for a question that was answered before."""
        return self.rho_nano == 0 and self.delta_atto == 0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Cost:
        """Reads what the server writes.

        Raises:
            KeyError, TypeError, ValueError: it is no cost.
        """
        epsilon, at_delta = value.get("epsilon"), value.get("epsilon_at_delta")
        return cls(
            rho_nano=int(value["rho_nano"]),
            delta_atto=int(value["delta_atto"]),
            epsilon=None if epsilon is None else float(epsilon),
            epsilon_at_delta=None if at_delta is None else float(at_delta),
        )

    def __str__(self) -> str:
        text = f"rho {readable(self.rho)}, delta {readable(self.delta)}"
        if self.epsilon is not None and self.epsilon_at_delta is not None:
            at_delta = readable(self.epsilon_at_delta)
            text += f" (epsilon {readable(self.epsilon)} at delta {at_delta})"
        return text


@dataclass(frozen=True)
class Budget:
    """The account of a population: `left` is `cap` without `spent`, after `charges` charges."""

    cap: Cost
    spent: Cost
    left: Cost
    charges: int

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Budget:
        """Reads what the server writes.

        Raises:
            KeyError, TypeError, ValueError: it is no budget.
        """
        return cls(
            cap=Cost.from_json(value["cap"]),
            spent=Cost.from_json(value["spent"]),
            left=Cost.from_json(value["left"]),
            charges=int(value["charges"]),
        )

    def __str__(self) -> str:
        return f"left {self.left}\nspent {self.spent} by {self.charges} charges\ncap {self.cap}"


def readable(value: float) -> str:
    """A number with six digits that count, without an exponent of leading zeros: 1e-6."""
    text = f"{value:.6g}"
    if "e" not in text:
        return text
    digits, exponent = text.split("e")
    return f"{digits}e{int(exponent)}"
