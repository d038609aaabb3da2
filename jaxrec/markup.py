"""The few pieces of HTML that reports are made of."""

import html
import importlib.resources
import string
from collections.abc import Iterable, Sequence
from typing import Any


def page(title: str, body: str) -> str:
    """Make one self-contained page."""
    template = importlib.resources.files("jaxrec").joinpath("report.html").read_text("utf-8")
    return string.Template(template).substitute(title=text(title), body=body)


def text(value: Any) -> str:
    """Write a value so that nothing in it is taken for HTML."""
    return html.escape(str(value))


def table(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], words: Iterable[int] = ()
) -> str:
    """Lay out cells of HTML; the first column names the row, those of `words` hold words."""
    left = set(words)
    head = "".join(
        f'<th scope="col"{_left(place in left)}>{text(cell)}</th>'
        for place, cell in enumerate(header)
    )
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(
            f"<td{' class=text' if place in left else ''}>{cell}</td>"
            for place, cell in enumerate(row[1:], 1)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><caption>{text(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _left(yes: bool) -> str:
    return ' style="text-align: left"' if yes else ""
