"""Pieces of the page's tables."""

from collections.abc import Sequence
from typing import Any


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Lay out lines, of which the second is the rule, as a table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def word_of(status: str) -> str:
    """Write a status; a miss stands out."""
    return f"**{status}**" if status in ("miss", "slower") else status


def number(value: float) -> str:
    """Write a metric to four places."""
    return f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.4f}"


def commit(result: dict[str, Any]) -> str:
    """Name the commit of a result, with a + if the checkout differed from it."""
    return (result["commit"] or "–") + ("+" if result["dirty"] else "")
