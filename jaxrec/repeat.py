"""One config several times, over seeds or folds: the mean and its standard deviation."""

import dataclasses
import itertools
import statistics
from pathlib import Path
from typing import Any

from jaxrec import config as configs
from jaxrec.config import Config
from jaxrec.data.splits import KFold
from jaxrec.errors import InputError
from jaxrec.train import train_and_evaluate
from jaxrec.workdir import locked, read_json, write_json


def train(config: Config, workdir: str | Path, *, seeds: int = 1, **options: Any) -> dict[str, Any]:
    """Train once, or in DIR/seed-0 … and DIR/fold-0 … with the mean over them in DIR/metrics.json.

    Seeds count up from the config's, and so does that of a baseline; a k-fold split whose fold is
    None runs every fold, each with a seed of its own: what is drawn for one fold would else be bad
    or good luck for all. The options are those of train_and_evaluate.
    """
    if seeds < 1:
        raise InputError(f"--seeds is {seeds}; give a whole number of at least 1.")
    if seeds > 1:
        numbers = range(config.seed, config.seed + seeds)
        runs = {f"seed-{n}": _seeded(config, n) for n in numbers}
    elif isinstance(config.data.split, KFold) and config.data.split.fold is None:
        runs = {f"fold-{n}": _fold(config, n) for n in range(config.data.split.k)}
    else:
        return train_and_evaluate(config, workdir, **options)
    workdir = Path(workdir)
    with locked(workdir):
        if (workdir / "dataset").exists():
            raise InputError(f"{workdir} holds a single run; give another --workdir.")
        saved, given = workdir / "config.json", configs.to_json(config)
        if saved.exists() and read_json(saved) != given:
            raise InputError(f"{workdir} holds a run of another config; give another --workdir.")
        write_json(saved, given)
        results = {name: train(run, workdir / name, **options) for name, run in runs.items()}
        result = average(results)
        write_json(workdir / "metrics.json", result)
    return result


def average(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Average the metrics of several runs; "sd" is the sample's standard deviation."""
    first, *_ = results.values()

    def over_runs(summarise: Any) -> dict[str, dict[str, float]]:
        return {
            part: {
                name: summarise([result[part][name] for result in results.values()])
                for name in first[part]
            }
            for part in ("test", "validation")
        }

    shared = ("protocol", "data", "commit", "versions", "device", "cores")
    return {
        **over_runs(statistics.fmean),
        "sd": over_runs(statistics.stdev if len(results) > 1 else lambda values: 0.0),
        "runs": list(results),
        "seeds": list(itertools.chain(*(x.get("seeds") or [x["seed"]] for x in results.values()))),
        "seconds": sum(result["seconds"] for result in results.values()),
        "examples_per_second": first["examples_per_second"],
        **{name: first[name] for name in shared},
    }


def _seeded(config: Config, seed: int) -> Config:
    model = config.model
    if hasattr(model, "seed"):  # of a baseline, which is fitted without the run's
        model = dataclasses.replace(model, seed=model.seed + seed - config.seed)
    return dataclasses.replace(config, seed=seed, model=model)


def _fold(config: Config, fold: int) -> Config:
    split = dataclasses.replace(config.data.split, fold=fold)
    config = _seeded(config, config.seed * split.k + fold)
    return dataclasses.replace(config, data=dataclasses.replace(config.data, split=split))
