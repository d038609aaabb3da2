"""metrics.jsonl: one JSON object a line, `{"step": …, name: number, …}`; every run writes it."""

import json
import math
import os
from pathlib import Path
from typing import SupportsFloat


class JsonlWriter:
    """Append values to a file, each line handed to the system before `write` returns."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, step: int, values: dict[str, SupportsFloat]) -> None:
        """Append one line; a number that is not finite becomes null, since JSON has none."""
        line = {"step": int(step)} | {name: _finite(value) for name, value in values.items()}
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> list[dict[str, float | int]]:
    """Read the lines in order, without a last one that a kill has torn; null becomes NaN."""
    if not path.exists():
        return []
    rows = [_parse(line) for line in path.read_bytes().splitlines()]
    return [row for row in rows if row is not None]


def truncate(path: Path, step: int) -> None:
    """Drop what was written after `step`, and any torn line; the file is replaced whole."""
    if not path.exists():
        return
    kept = []
    for line in path.read_bytes().splitlines():
        row = _parse(line)
        if row is not None and row["step"] <= step:
            kept.append(line + b"\n")
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(b"".join(kept))
    os.replace(temporary, path)


def _finite(value: SupportsFloat) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _parse(line: bytes) -> dict[str, float | int] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or "step" not in row:
        return None
    return {name: math.nan if value is None else value for name, value in row.items()}


def _cut_torn_line(path: Path) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
