"""Answers and estimates as text for terminals and as HTML for notebooks.

It shows what it is given and computes nothing. Text of records is escaped: a key may hold markup
or control characters.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from graunt.cost import readable

if TYPE_CHECKING:
    from graunt.answer import Answer
    from graunt.estimate import Estimate

#: Rows that are shown before the rest is only counted.
ROWS_SHOWN = 40


def answer_text(answer: Answer) -> str:
    """An answer: the table with an interval beside each value, cost, notes."""
    header, rows, is_right = _answer_cells(answer)
    lines = [_grid(header, rows[:ROWS_SHOWN], is_right)]
    if len(rows) > ROWS_SHOWN:
        lines.append(f"… and {len(rows) - ROWS_SHOWN} more rows")
    lines.append(_footer(answer))
    lines += [_printable(note) for note in answer.notes]
    return "\n".join(line for line in lines if line)


def answer_html(answer: Answer) -> str:
    """The same as one HTML fragment, without scripts or styles from elsewhere."""
    header, rows, is_right = _answer_cells(answer)
    parts = [_html_table(header, rows[:ROWS_SHOWN], is_right)]
    if len(rows) > ROWS_SHOWN:
        parts.append(f"<p>… and {len(rows) - ROWS_SHOWN} more rows</p>")
    footer = _footer(answer)
    if footer:
        parts.append(f"<p><small>{escape(footer)}</small></p>")
    if answer.notes:
        notes = "".join(f"<li>{escape(_printable(note))}</li>" for note in answer.notes)
        parts.append(f"<details><summary>notes</summary><ul>{notes}</ul></details>")
    return "".join(parts)


def estimate_text(estimate: Estimate) -> str:
    """An estimate: a row for each noisy column, what it would cost, what is left."""
    header, rows, is_right = _estimate_cells(estimate)
    lines = [_grid(header, rows, is_right), _verdict(estimate)]
    lines += [_printable(note) for note in estimate.notes]
    return "\n".join(line for line in lines if line)


def estimate_html(estimate: Estimate) -> str:
    """The same as one HTML fragment."""
    table = _html_table(*_estimate_cells(estimate))
    return f"{table}<p><small>{escape(_verdict(estimate))}</small></p>"


def cell(value: Any) -> str:
    """One value: nulls are empty, floats have six digits that count."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return readable(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return _printable(str(value))


def _answer_cells(answer: Answer) -> tuple[list[str], list[list[str]], list[bool]]:
    header: list[str] = []
    is_right: list[bool] = []
    readers: list[Callable[[Mapping[str, Any]], str]] = []
    percent = readable(answer.confidence * 100)
    numeric = answer.numeric_columns()

    def value_of(name: str) -> Callable[[Mapping[str, Any]], str]:
        return lambda row: cell(row[name])

    def interval_of(lower: str, upper: str) -> Callable[[Mapping[str, Any]], str]:
        return lambda row: _interval(row[lower], row[upper])

    for name in answer.columns:
        header.append(_printable(name))
        is_right.append(name in numeric)
        readers.append(value_of(name))
        if name in answer.intervals:
            header.append(f"{percent} % interval")
            is_right.append(True)
            readers.append(interval_of(*answer.intervals[name]))
    rows = [[read(row) for read in readers] for row in answer.rows()]
    return header, rows, is_right


def _estimate_cells(estimate: Estimate) -> tuple[list[str], list[list[str]], list[bool]]:
    percent = readable(estimate.confidence * 100)
    header = [
        "column",
        "noise (standard deviation)",
        f"{percent} % interval",
        "one person counts within",
        "groups per person",
        "keys shown above",
    ]
    rows = []
    for column in estimate.columns:
        most = "at most " if column.is_chosen else ""
        threshold = "" if column.threshold is None else f"{column.threshold} persons"
        rows.append(
            [
                _printable(column.column),
                f"{most}{cell(column.noise)}",
                f"± {most or 'about '}{column.half_width:.3g}",
                _interval(column.lower, column.upper),
                cell(column.groups_per_person),
                threshold,
            ]
        )
    return header, rows, [False, True, True, True, True, True]


def _footer(answer: Answer) -> str:
    parts = []
    if answer.is_repeat:
        parts.append("cost nothing, as it was answered before")
    elif answer.cost is not None:
        parts.append("cost nothing" if answer.cost.is_zero else f"cost {answer.cost}")
    if answer.left is not None:
        parts.append(f"left {answer.left}")
    return " · ".join(parts)


def _verdict(estimate: Estimate) -> str:
    parts = ["nothing is charged"]
    if estimate.cost is not None:
        parts = [f"would cost {estimate.cost}; nothing is charged"]
    if estimate.left is not None:
        parts.append(f"left {estimate.left}")
    if estimate.fits is False:
        parts.append("the budget does not hold that: ask with a smaller epsilon")
    return " · ".join(parts)


def _interval(lower: Any, upper: Any) -> str:
    return "" if lower is None or upper is None else f"[{cell(lower)}, {cell(upper)}]"


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]], is_right: Sequence[bool]) -> str:
    if not header:
        return ""
    widths = [max(map(len, column)) for column in zip(header, *rows)]

    def line(cells: Sequence[str]) -> str:
        placed = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(cells, widths, is_right)
        )
        return "  ".join(placed).rstrip()

    rule = "  ".join("─" * width for width in widths)
    return "\n".join([line(header), rule, *map(line, rows)])


def _html_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], is_right: Sequence[bool]
) -> str:
    sides = ["right" if right else "left" for right in is_right]

    def line(tag: str, cells: Sequence[str]) -> str:
        inner = "".join(
            f'<{tag} style="text-align: {side}">{escape(text)}</{tag}>'
            for text, side in zip(cells, sides)
        )
        return f"<tr>{inner}</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<table><thead>{line('th', header)}</thead><tbody>{body}</tbody></table>"


def _printable(text: str) -> str:
    """Text without control characters, which could rewrite what a terminal shows."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
