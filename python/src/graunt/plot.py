"""Draws an answer with its intervals.

It draws released numbers as they are: no smoothing, and no value without its interval if it has
one. Without matplotlib nothing is drawn, and everything else works.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from graunt.cost import readable

if TYPE_CHECKING:
    from graunt.answer import Answer


def draw(answer: Answer, column: str | None, *, by: str | None, ax: Any) -> Any:
    """Draws a column of an answer; see `Answer.plot`."""
    column, by = _chosen(answer, column, by)
    ax = ax if ax is not None else _new_axes()
    rows = [row for row in answer.rows() if row[column] is not None]
    values = [float(row[column]) for row in rows]
    whiskers = _whiskers(answer, column, rows, values)
    keys = [None if by is None else row[by] for row in rows]
    if keys and all(_has_place(key) for key in keys):
        # Numbers and dates have a place on the axis, where gaps between them are seen.
        ax.errorbar(keys, values, yerr=whiskers, fmt="o", capsize=3)
        ax.set_xlabel(by or "")
        ax.set_ylabel(column)
    else:
        places = list(range(len(rows)))
        ax.errorbar(values, places, xerr=whiskers, fmt="o", capsize=3)
        ax.set_yticks(places, ["" if key is None else str(key) for key in keys])
        ax.invert_yaxis()
        ax.set_xlabel(column)
        ax.set_ylabel(by or "")
    if whiskers is not None:
        ax.set_title(f"with {readable(answer.confidence * 100)} % intervals", fontsize="medium")
    return ax


def _chosen(answer: Answer, column: str | None, by: str | None) -> tuple[str, str | None]:
    """The column of the values, and the one that names them."""
    if column is None:
        with_intervals = [name for name in answer.columns if name in answer.intervals]
        if not with_intervals:
            raise ValueError("no column has intervals: name the column to be drawn")
        column = with_intervals[0]
    if by is None:
        others = (name for name in answer.columns if name not in answer.intervals)
        by = next((name for name in others if name != column), None)
    for name in (column, by):
        if name is not None and name not in answer.columns:
            raise ValueError(f"there is no column {name}; there are {', '.join(answer.columns)}")
    if column not in answer.numeric_columns():
        raise ValueError(f"the column {column} holds no numbers")
    return column, by


def _whiskers(
    answer: Answer, column: str, rows: list[dict[str, Any]], values: list[float]
) -> list[list[float]] | None:
    """How far the interval of each value goes down and up; None if there are no intervals."""
    if column not in answer.intervals:
        return None
    lower, upper = answer.intervals[column]

    def reach(end: str, sign: float) -> list[float]:
        ends = [row[end] for row in rows]
        # A value may lie outside of its interval, where the interval was cut at zero.
        return [
            0.0 if at is None else max(0.0, sign * (float(at) - value))
            for at, value in zip(ends, values)
        ]

    return [reach(lower, -1.0), reach(upper, 1.0)]


def _has_place(key: Any) -> bool:
    if isinstance(key, bool):
        return False
    return isinstance(key, (int, float, datetime.date))


def _new_axes() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError('matplotlib is missing: pip install "graunt[plot]"') from error
    _, ax = pyplot.subplots(layout="constrained")
    return ax
