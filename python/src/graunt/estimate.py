"""An estimate: how noisy an answer would be and what it would cost, before anything is spent.

It comes from the question and the public bounds alone: no record was read for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graunt import errors, show
from graunt.answer import confidence_in, cost_in, metadata, notes_in
from graunt.cost import Cost


@dataclass(frozen=True)
class EstimatedColumn:
    """A noisy column of an answer that was not asked for yet.

    Attributes:
        column: what is computed, as the plan spells it, such as `count(*)`.
        noise: the standard deviation of the noise, in units of the column.
        half_width: half the width that noise alone gives the interval, in units of the column.
        is_chosen: whether bounds are chosen privately: then noise and half_width are the most.
        lower, upper: within what one person counts, in units of the column.
        groups_per_person: in how many groups one person counts, at most.
        threshold: keys with that many persons or fewer, after noise, are not shown; None if all
            keys are.
    """

    column: str
    noise: float
    half_width: float
    is_chosen: bool
    lower: float | None
    upper: float | None
    groups_per_person: int | None
    threshold: int | None


@dataclass(frozen=True, repr=False)
class Estimate:
    """What an answer would be like.

    Attributes:
        columns: the noisy columns.
        cost: what would be charged; None if the server did not tell.
        left: what the account holds; None if the server did not tell.
        confidence: of the intervals that `half_width` is about, between 0 and 1.
        notes: what to know about the numbers.
    """

    columns: tuple[EstimatedColumn, ...]
    cost: Cost | None
    left: Cost | None
    confidence: float
    notes: tuple[str, ...]

    @property
    def noise(self) -> dict[str, float]:
        """The standard deviation of the noise by column."""
        return {column.column: column.noise for column in self.columns}

    @property
    def half_width(self) -> dict[str, float]:
        """Half the width of the intervals by column."""
        return {column.column: column.half_width for column in self.columns}

    @property
    def fits(self) -> bool | None:
        """Whether the account holds what it would cost; None if either is not known."""
        if self.cost is None or self.left is None:
            return None
        return (
            self.cost.rho_nano <= self.left.rho_nano
            and self.cost.delta_atto <= self.left.delta_atto
        )

    @classmethod
    def from_table(cls, table: Any) -> Estimate:
        """Reads the table that the server answers to ESTIMATE.

        Raises:
            graunt.Error: it is another table.
        """
        told = metadata(table.schema)
        try:
            columns = tuple(_column(row) for row in table.to_pylist())
        except (KeyError, TypeError, ValueError) as error:
            message = "the server's estimate cannot be read by this version of the package"
            raise errors.Error(message, code="protocol") from error
        return cls(
            columns=columns,
            cost=cost_in(told, "graunt.cost"),
            left=cost_in(told, "graunt.left"),
            confidence=confidence_in(told),
            notes=notes_in(told),
        )

    def __repr__(self) -> str:
        return show.estimate_text(self)

    def _repr_html_(self) -> str:
        return show.estimate_html(self)


def _column(row: dict[str, Any]) -> EstimatedColumn:
    def whole(name: str) -> int | None:
        return None if row[name] is None else int(row[name])

    def number(name: str) -> float | None:
        return None if row[name] is None else float(row[name])

    return EstimatedColumn(
        column=str(row["column"]),
        noise=float(row["noise"]),
        half_width=float(row["half_width"]),
        is_chosen=bool(row["is_chosen"]),
        lower=number("lower"),
        upper=number("upper"),
        groups_per_person=whole("groups_per_person"),
        threshold=whole("threshold"),
    )
