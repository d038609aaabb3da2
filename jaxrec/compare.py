"""Runs beside each other: which compare at all, and how far they differ on the same users."""

import hashlib
import itertools
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxrec.data import store
from jaxrec.data.interactions import Interactions
from jaxrec.data.splits import Split
from jaxrec.errors import InputError
from jaxrec.metrics import bootstrap
from jaxrec.metrics.protocol import BEYOND_ACCURACY, LOWER_IS_BETTER
from jaxrec.tracking import jsonl
from jaxrec.workdir import read_json

NOT_BASIS = ("metrics", "monitor", "confidence", "resamples")
"""Fields of the protocol that say what is shown, not what is measured."""
VALUES_DRAWN = 10**8
"""Values that all resamples of a paired test draw together, within 1,000 and 10,000 resamples."""


@dataclass(frozen=True, eq=False)
class Record:
    """What the folder of a finished run says of it, without its parameters.

    members:  the folder itself, or those of its seeds or folds.
    curves:   steps an epoch and the lines of metrics.jsonl, of each member that has any.
    per_user: "users" and one array a metric, the mean over seeds; empty where members differ.
    basis:    what two runs must have in common for their numbers to compare.
    """

    name: str
    workdir: Path
    members: tuple[Path, ...]
    config: dict[str, Any]
    metrics: dict[str, Any]
    curves: tuple[tuple[float, list[dict[str, Any]]], ...]
    per_user: dict[str, np.ndarray]
    basis: dict[str, str]

    @property
    def test(self) -> dict[str, float]:
        return self.metrics["test"]

    def spread(self, metric: str) -> tuple[float, float] | None:
        """Give the bounds of the interval over users, or of ± sd over seeds or folds."""
        if "sd" in self.metrics:
            value, sd = self.test[metric], self.metrics["sd"]["test"][metric]
            return value - sd, value + sd
        found = self.metrics.get("intervals", {}).get("test", {}).get(metric)
        return None if found is None else (found[0], found[1])


class Pair(NamedTuple):
    """first - second on the same users; p_value is Holm's, over all pairs of that metric."""

    metric: str
    first: str
    second: str
    difference: float
    low: float
    high: float
    p_value: float


def read_records(workdirs: Sequence[Path]) -> list[Record]:
    """Read finished runs; a name is the folder's, or the whole path where two folders share one."""
    names = [workdir.resolve().name for workdir in workdirs]
    return [
        _read(workdir, name if names.count(name) == 1 else str(workdir))
        for workdir, name in zip(workdirs, names, strict=True)
    ]


def comparable(records: Sequence[Record]) -> list[list[Record]]:
    """Group runs that share data, split and protocol, in the order of their first run."""
    groups: dict[tuple[tuple[str, str], ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(sorted(record.basis.items())), []).append(record)
    return list(groups.values())


def differences(groups: Sequence[Sequence[Record]]) -> list[str]:
    """Say in what the groups differ: one line a field, with each group's value."""
    bases = [group[0].basis for group in groups]
    lines = []
    for name in dict.fromkeys(itertools.chain.from_iterable(bases)):
        values = [basis.get(name, "none") for basis in bases]
        if len(set(values)) > 1:
            lines.append(f"{name}: " + ", ".join(f"{v} ({i})" for i, v in enumerate(values, 1)))
    return lines


def accuracy_metrics(records: Sequence[Record]) -> list[str]:
    """List the metrics of how well, those that every run has, in the first run's order."""
    return [name for name in _shared(records) if not name.startswith(BEYOND_ACCURACY)]


def pairs(records: Sequence[Record], metric: str) -> list[Pair]:
    """Test each pair of runs that asked the same users for this metric; runs of one group only."""
    tested = [record for record in records if metric in record.per_user]
    found = []
    for one, other in itertools.combinations(tested, 2):
        if np.array_equal(one.per_user["users"], other.per_user["users"]):
            users = len(one.per_user["users"])
            test = bootstrap.paired_test(
                one.per_user[metric],
                other.per_user[metric],
                resamples=int(np.clip(VALUES_DRAWN // users, 1_000, 10_000)),
            )
            found.append(Pair(metric, one.name, other.name, *test))
    adjusted = holm([pair.p_value for pair in found])
    return [pair._replace(p_value=p) for pair, p in zip(found, adjusted, strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for being many (Holm 1979): the smallest times n, the next times n - 1, …"""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(np.argsort(p_values, kind="stable")):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def best(records: Sequence[Record], metric: str) -> float:
    """Give the best value of a metric among runs."""
    choose = min if metric.startswith(LOWER_IS_BETTER) else max
    return choose(record.test[metric] for record in records)


def table(records: Sequence[Record], metrics: Sequence[str] | None = None) -> str:
    """Lay runs of one group out as text: metrics with intervals, seconds, examples a second."""
    metrics = accuracy_metrics(records) if metrics is None else metrics
    width = max(len(record.name) for record in records)
    lines = [
        f"{'':<{width}}"
        + "".join(f"  {name:<23}" for name in metrics)
        + "  fitted on         seconds  examples/s"
    ]
    for record in records:
        cells = "".join(f"  {cell(record, name):<23}" for name in metrics)
        rate = record.metrics.get("examples_per_second")
        shown = f"{rate:>10,.0f}" if rate else f"{'–':>10}"
        fitted, seconds = record.basis["fit_on"], record.metrics["seconds"]
        lines.append(f"{record.name:<{width}}{cells}  {fitted:<16}  {seconds:>7.1f}  {shown}")
    return "\n".join(lines)


def cell(record: Record, metric: str) -> str:
    """Write a metric with its interval, or ± its sd over seeds or folds; empty if it has none."""
    if metric not in record.test:
        return ""
    value, spread = record.test[metric], record.spread(metric)
    if spread is None:
        return f"{value:.4f}"
    if "sd" in record.metrics:
        return f"{value:.4f} ± {record.metrics['sd']['test'][metric]:.4f}"
    return f"{value:.4f} [{spread[0]:.4f}, {spread[1]:.4f}]"


# Reading ------------------------------------------------------------------------------------------


def _read(workdir: Path, name: str) -> Record:
    if not (workdir / "metrics.json").exists():
        raise InputError(f"{workdir} holds no finished run; train one there with jaxrec train.")
    metrics = read_json(workdir / "metrics.json")
    members = tuple(workdir / run for run in metrics.get("runs", [])) or (workdir,)
    config = read_json(workdir / "config.json")
    splits = {_fingerprint(store.load(member / "dataset").split) for member in members}
    return Record(
        name=name,
        workdir=workdir,
        members=members,
        config=config,
        metrics=metrics,
        curves=tuple(curve for member in members if (curve := _curve(member))[1]),
        per_user=_per_user(members) if len(splits) == 1 else {},
        basis=dict(_basis(config, metrics, splits)),
    )


def _basis(
    config: dict[str, Any], metrics: dict[str, Any], splits: set[str]
) -> Iterator[tuple[str, str]]:
    yield "data", str(metrics["data"]["name"])
    yield from _flat("split", config["data"].get("split"))
    yield from _flat("cleaning", config["data"].get("cleaning"))
    for field, value in metrics["protocol"].items():
        if field not in NOT_BASIS:
            yield field, str(value)
    yield "fingerprint of the split", " ".join(sorted(splits))


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """List a config's value by dotted names: a class by its own, then each of its fields."""
    if not isinstance(value, dict):
        yield name, str(value)
        return
    yield name, str(value.get("class", "")).rpartition(":")[2]
    for key, field in value.items():
        if key != "class":
            yield from _flat(f"{name}.{key}", field)


def _fingerprint(split: Split) -> str:
    """Eight digits that differ when any part of two splits does."""
    digest = hashlib.blake2b(digest_size=4)
    for vocabulary in (split.train.users, split.train.items):
        digest.update("\n".join(map(str, vocabulary.ids)).encode())
    parts: tuple[Interactions | None, ...] = (
        split.train, split.validation, split.test, split.validation_fold_in, split.test_fold_in
    )  # fmt: skip
    for part in parts:
        for column in (part.user, part.item, part.value) if part is not None else ():
            digest.update(np.ascontiguousarray(column).tobytes())
        digest.update(b"|")
    return digest.hexdigest()


def _curve(member: Path) -> tuple[float, list[dict[str, Any]]]:
    kept = read_json(member / "metrics.json")["checkpoint"]
    return kept["step"] / (kept["epochs"] or 1), jsonl.read(member / "metrics.jsonl")


def _per_user(members: Sequence[Path]) -> dict[str, np.ndarray]:
    paths = [member / "per_user_test.npz" for member in members]
    if not all(path.exists() for path in paths):
        return {}
    arrays = []
    for path in paths:
        try:
            with np.load(path) as file:
                arrays.append(dict(file))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path} is damaged; run jaxrec evaluate {path.parent} to make it again."
            ) from error
    first = arrays[0]
    if not all(np.array_equal(first["users"], one["users"]) for one in arrays):
        return {}
    names = [name for name in first if name != "users" and all(name in one for one in arrays)]
    mean = {name: np.mean([one[name] for one in arrays], axis=0) for name in names}
    return {"users": first["users"], **mean}


def _shared(records: Sequence[Record]) -> list[str]:
    return [name for name in records[0].test if all(name in record.test for record in records)]
