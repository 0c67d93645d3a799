"""An answer: its table, the intervals, what it cost, what is left, and its receipt.

It holds released numbers only, which are noisy already. It asks the server nothing: the receipt
was fetched together with the table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graunt import errors, plot, show
from graunt.cost import Cost

if TYPE_CHECKING:
    import matplotlib.axes
    import pandas
    import polars

#: Confidence of intervals, if the server does not tell: the default of its configuration.
CONFIDENCE = 0.95


class Answer:
    """What the server answered to one question.

    Attributes:
        sql: the question.
        columns: the columns that were asked for, in order; those of intervals are not among them.
        intervals: for each column that has intervals, the names of the columns that hold their
            lower and upper ends. Intervals hold the bounded total of the records at hand.
        confidence: of the intervals, between 0 and 1.
        cost: what it was charged; None if the server did not tell, as for SHOW.
        left: what the account holds after it; None if the server did not tell.
        notes: what to know about the numbers: bounds, thresholds, de-identified columns.
        query: the name of the question on the ledger, in hexadecimal; None for SHOW and the like.
        is_repeat: whether it was answered before, and so cost nothing.
    """

    def __init__(
        self,
        table: Any,
        *,
        sql: str,
        has_intervals: bool,
        receipt: str | None = None,
        receipt_error: errors.Error | None = None,
    ) -> None:
        told = metadata(table.schema)
        self._table = table
        self._receipt = receipt
        self._receipt_error = receipt_error
        self.sql = sql
        self.intervals = _intervals(table.schema.names, told) if has_intervals else {}
        ends = {name for pair in self.intervals.values() for name in pair}
        self.columns = [name for name in table.schema.names if name not in ends]
        self.confidence = confidence_in(told)
        self.cost = cost_in(told, "graunt.cost")
        self.left = cost_in(told, "graunt.left")
        self.notes = notes_in(told)
        self.query = told.get("graunt.query")
        self.is_repeat = told.get("graunt.is_repeat") == "true"

    def arrow(self) -> Any:
        """The whole table as a `pyarrow.Table`, with the columns of intervals at their places."""
        return self._table

    def polars(self) -> polars.DataFrame:
        """The whole table as a `polars.DataFrame`.

        Raises:
            ImportError: polars is not installed: `pip install "graunt[polars]"`.
        """
        try:
            import polars
        except ImportError as error:
            raise ImportError('polars is missing: pip install "graunt[polars]"') from error
        frame = polars.from_arrow(self._table)
        # Of a table it makes a frame; a series would come of a single array.
        assert isinstance(frame, polars.DataFrame)
        return frame

    def pandas(self) -> pandas.DataFrame:
        """The whole table as a `pandas.DataFrame`; integers with nulls become floats.

        Raises:
            ImportError: pandas is not installed: `pip install "graunt[pandas]"`.
        """
        try:
            import pandas  # noqa: F401
        except ImportError as error:
            raise ImportError('pandas is missing: pip install "graunt[pandas]"') from error
        return self._table.to_pandas()

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per row, with the columns of intervals."""
        rows: list[dict[str, Any]] = self._table.to_pylist()
        return rows

    def interval(self, column: str) -> list[tuple[Any, Any] | None]:
        """The intervals of a column, one per row; None where there is none.

        Raises:
            KeyError: the column has no intervals.
        """
        lower, upper = (self._table.column(name).to_pylist() for name in self.intervals[column])
        return [
            None if low is None or high is None else (low, high) for low, high in zip(lower, upper)
        ]

    def numeric_columns(self) -> frozenset[str]:
        """The columns that hold numbers."""
        found = set()
        for field in self._table.schema:
            kind = field.type
            if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
                found.add(field.name)
        return frozenset(found)

    def receipt(self) -> dict[str, Any]:
        """The receipt, as `graunt.verify` and anyone else can check it.

        It tells the question and the answer to whoever holds it.

        Raises:
            graunt.Error: there is none, or the server did not give it.
        """
        receipt: dict[str, Any] = json.loads(self._receipt_text())
        return receipt

    def save_receipt(self, path: str | os.PathLike[str]) -> Path:
        """Writes the receipt to a file, byte for byte as the server gave it.

        Raises:
            graunt.Error: there is none, or the server did not give it.
            OSError: the file cannot be written.
        """
        path = Path(path)
        path.write_text(self._receipt_text(), encoding="utf-8")
        return path

    def plot(
        self, column: str | None = None, *, by: str | None = None, ax: Any = None
    ) -> matplotlib.axes.Axes:
        """Draws a column with its intervals, by default the first that has some.

        Args:
            column: the column of the values.
            by: the column whose values name them; by default the first without intervals.
            ax: the axes to draw in, by default those of a new figure.

        Raises:
            ImportError: matplotlib is not installed: `pip install "graunt[plot]"`.
            ValueError: there is no such column, or none with intervals.
        """
        axes: matplotlib.axes.Axes = plot.draw(self, column, by=by, ax=ax)
        return axes

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        return show.answer_text(self)

    def _repr_html_(self) -> str:
        return show.answer_html(self)

    def _receipt_text(self) -> str:
        if self._receipt_error is not None:
            raise self._receipt_error
        if self._receipt is None:
            raise errors.Error("there is no receipt: nothing was released", code="no-receipt")
        return self._receipt


def metadata(schema: Any) -> dict[str, str]:
    """What the server wrote into the schema of a table."""
    found = schema.metadata or {}
    return {key.decode(): value.decode("utf-8", "replace") for key, value in found.items()}


def cost_in(told: Mapping[str, str], name: str) -> Cost | None:
    """The cost under a name; of a whole budget, what is left of it; None if there is none.

    One that cannot be read is none: an answer that was charged must not be lost for it.
    """
    try:
        value = json.loads(told.get(name, "null"))
        return None if value is None else Cost.from_json(value.get("left", value))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def confidence_in(told: Mapping[str, str]) -> float:
    """The confidence of intervals, between 0 and 1; the default if it cannot be read."""
    try:
        confidence = float(told.get("graunt.confidence", CONFIDENCE))
    except ValueError:
        return CONFIDENCE
    return confidence if 0.0 < confidence < 1.0 else CONFIDENCE


def notes_in(told: Mapping[str, str]) -> tuple[str, ...]:
    """The notes, in the order in which the server gave them."""
    try:
        notes = json.loads(told.get("graunt.notes", "[]"))
    except ValueError:
        return ()
    return tuple(str(note) for note in notes) if isinstance(notes, list) else ()


def _intervals(names: list[str], told: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Which columns hold the ends of which column's intervals: as told, else by their names."""
    try:
        pairs = json.loads(told.get("graunt.intervals", "null"))
    except ValueError:
        pairs = None
    if isinstance(pairs, dict):
        return {
            name: (lower, upper)
            for name, (lower, upper) in pairs.items()
            if {name, lower, upper} <= set(names)
        }
    found: dict[str, tuple[str, str]] = {}
    ends: set[str] = set()
    for name in names:
        lower, upper = f"{name}_lo", f"{name}_hi"
        if name not in ends and lower in names and upper in names:
            found[name] = (lower, upper)
            ends |= {lower, upper}
    return found
