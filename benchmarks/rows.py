"""A row of a benchmark: what is run, what it is held to, what it gave, and whether that will do."""

import dataclasses
import difflib
import json
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jaxrec import config as configs
from jaxrec import repeat
from jaxrec.config import Config, load_config
from jaxrec.errors import InputError
from jaxrec.metrics.protocol import LOWER_IS_BETTER
from jaxrec.workdir import read_json, write_json

ROOT = Path(__file__).parents[1]
HERE = ROOT / "benchmarks"
ROUNDING = 1e-9
"""What binary fractions may add to a difference of decimal ones."""
GENERATED = ("benchmarks/results", "benchmarks/README.md", "benchmarks/*.svg")
"""What a benchmark writes itself, which does not make its checkout dirty."""

Status = Literal["pass", "miss", "shown", "not run"]


@dataclass(frozen=True)
class Row:
    """One row of targets.toml, whose head says what the fields mean."""

    name: str
    suite: str
    config: str
    metrics: tuple[str, ...]
    fit_on: str | None = None
    overrides: tuple[str, ...] = ()
    seeds: int = 1
    gated: dict[str, float] = field(default_factory=dict)
    shown: dict[str, float] = field(default_factory=dict)
    tolerance: float | str = 0.0
    one_sided: bool = False
    source: str = "none"

    @property
    def published(self) -> dict[str, float]:
        return {**self.shown, **self.gated}

    def bounds(self, metric: str) -> tuple[float, float]:
        """The lowest and the highest value of a gated metric that pass."""
        target, tolerance = self.gated[metric], self.tolerance
        if isinstance(tolerance, str):
            tolerance = target * float(tolerance.rstrip(" %")) / 100
        low, high = target - tolerance - ROUNDING, target + tolerance + ROUNDING
        if not self.one_sided:
            return low, high
        lower = metric.startswith(LOWER_IS_BETTER)
        return (float("-inf"), high) if lower else (low, float("inf"))

    def build(self) -> Config:
        """Load the row's config, with what the row changes of it; InputError if there is none."""
        path = Path(self.config)
        path = path if path.suffix else ROOT / "configs" / f"{self.config}.py"
        if not path.is_file():
            raise InputError(f"there is no config {self.config} yet")
        fit_on = [] if self.fit_on is None else ["--protocol.fit-on", self.fit_on]
        config = load_config(str(path), [*fit_on, *self.overrides])
        metrics = tuple(dict.fromkeys((*config.protocol.metrics, *self.metrics)))
        return dataclasses.replace(
            config, protocol=dataclasses.replace(config.protocol, metrics=metrics)
        )


@dataclass(frozen=True)
class Group:
    """Rows of one data set and protocol, which stand in one table.

    The rows of `beside` belong to another suite and are only shown again.
    """

    title: str
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    beside: tuple[Row, ...] = ()

    @property
    def shown(self) -> tuple[Row, ...]:
        """The rows of the table, those from elsewhere first."""
        return (*self.beside, *self.rows)


@dataclass(frozen=True)
class Bench:
    """The folder of targets.toml, into which results and the page are written."""

    folder: Path = HERE

    @property
    def runs(self) -> Path:
        """Where unfinished runs lie, which git does not see."""
        return self.folder.parent / "runs" / self.folder.name

    def targets(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "targets.toml").read_text())

    def suites(self) -> dict[str, list[Group]]:
        """Read the rows, by suite."""
        suites: dict[str, list[Group]] = {}
        seen: dict[str, Row] = {}
        for suite, tables in self.targets().items():
            if not isinstance(tables, list):
                continue
            suites[suite] = [_group(suite, table, seen) for table in tables]
            seen |= {row.name: row for row in rows_of(suites[suite])}
        return suites

    def rows(self) -> dict[str, Row]:
        return {row.name: row for groups in self.suites().values() for row in rows_of(groups)}

    def row(self, name: str) -> Row:
        """Find a row; an unknown name is an InputError with the nearest one."""
        rows = self.rows()
        if name not in rows:
            near = difflib.get_close_matches(name, rows, n=1, cutoff=0)
            raise InputError(f"No row is named {name!r}; the nearest is {near[0]}.")
        return rows[name]

    def path(self, row: Row) -> Path:
        return self.folder / "results" / row.suite / f"{row.name}.json"

    def result(self, row: Row) -> dict[str, Any] | None:
        """Read what the row gave by its present config; None if it has not run by that."""
        try:
            result = json.loads(self.path(row).read_text())
            # Through the dataclasses, so that a new field at its default changes nothing.
            same = configs.from_json(result["config"]) == row.build()
        except (FileNotFoundError, InputError):
            return None
        return result if same and len(result["seeds"]) == row.seeds else None


def rows_of(groups: list[Group]) -> Iterator[Row]:
    """List the rows of a suite."""
    for group in groups:
        yield from group.rows


def _group(suite: str, table: dict[str, Any], others: dict[str, Row]) -> Group:
    defaults = {k: v for k, v in table.items() if k not in ("title", "rows", "beside")}
    rows = []
    for name, given in table["rows"].items():
        fields = {"config": name, **defaults, **given}
        for several in ("metrics", "overrides"):
            fields[several] = tuple(fields.get(several, ()))
        rows.append(Row(name=name, suite=suite, **fields))
    beside = tuple(others[name] for name in table.get("beside", ()))
    return Group(table["title"], tuple(table["metrics"]), tuple(rows), beside)


def status(row: Row, result: dict[str, Any] | None) -> Status:
    """Judge a row by its gated metrics; a row without any only shows."""
    if result is None:
        return "not run"
    if not row.gated:
        return "shown"
    found, bounds = result["metrics"]["mean"], {name: row.bounds(name) for name in row.gated}
    inside = all(low <= found[name] <= high for name, (low, high) in bounds.items())
    return "pass" if inside else "miss"


def run(bench: Bench, row: Row, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Run the row, or go on with it where it was cut off, and write its result.

    What it took on the disk is deleted then.
    """
    config, workdir = row.build(), bench.runs / row.name
    saved = workdir / "config.json"
    other = any(workdir.glob("seed-*")) != (row.seeds > 1)
    if saved.exists() and (other or read_json(saved) != configs.to_json(config)):
        say(f"{workdir} holds a run of another config, which is deleted.")
        shutil.rmtree(workdir)
    found = repeat.train(config, workdir, seeds=row.seeds, say=say)
    result = {"row": row.name, "suite": row.suite, **_summary(config, row.seeds, found)}
    result["curve"] = _curve(workdir, f"validation/{config.protocol.monitor}")
    bench.path(row).parent.mkdir(parents=True, exist_ok=True)
    write_json(bench.path(row), result)
    shutil.rmtree(workdir)
    return result


def _summary(config: Config, seeds: int, found: dict[str, Any]) -> dict[str, Any]:
    """Take from metrics.json what the result of a row tells."""
    kept = ("device", "cores", "versions", "seconds", "protocol", "data")
    return {
        "commit": (found["commit"] or "").rstrip("+") or None,
        "dirty": dirty(),
        **{name: found[name] for name in kept},
        "seeds": list(range(config.seed, config.seed + seeds)),
        "runs": len(found.get("runs", ("one",))),
        "metrics": {"mean": found["test"], "sd": found.get("sd", {}).get("test")},
        "intervals": found.get("intervals", {}).get("test"),
        "fit_on": config.protocol.fit_on,
        "split": configs.to_json(config.data.split) or "the source's own, else leave-one-out",
        "config": configs.to_json(config),
    }


def _curve(workdir: Path, name: str) -> list[list[float]]:
    """List step, seconds from the start, and value at each validation of the first run."""
    logs = sorted(workdir.glob("seed-*/metrics.jsonl")) or [workdir / "metrics.jsonl"]
    points, seconds = [], 0.0
    for line in logs[0].read_text().splitlines() if logs[0].exists() else ():
        call = json.loads(line)
        seconds += call["seconds"]
        if name in call:
            points.append([call["step"], round(seconds, 1), round(call[name], 5)])
    return points


def dirty() -> bool | None:
    """Tell whether the checkout differs from its commit by more than what a benchmark writes."""
    left_out = [f":(exclude,glob){path}" for path in (*GENERATED, "benchmarks/results/**")]
    command = ["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"]
    done = subprocess.run([*command, "--", ".", *left_out], capture_output=True, text=True)
    return None if done.returncode else bool(done.stdout.strip())
