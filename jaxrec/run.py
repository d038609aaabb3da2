"""A run's folder, opened: a new run, one that was cut off, or a finished one that answers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxrec import checkpoint
from jaxrec import config as configs
from jaxrec.checkpoint import readable
from jaxrec.config import Config
from jaxrec.data import store
from jaxrec.data.histories import longest
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import Prepared, load, prepare
from jaxrec.data.resident import Resident, resident
from jaxrec.data.splits import known
from jaxrec.errors import InputError
from jaxrec.retrieval import Scorer, baseline_scorer, model_scorer, rebuild
from jaxrec.typing import Spec
from jaxrec.workdir import read_json, write_json

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run: what it was told, what it knows, how it scores, and what it measured."""

    config: Config
    prepared: Prepared
    fitted_on: Interactions
    scorer: Scorer
    variables: Any
    metrics: dict[str, Any]


def open_run(
    config: Config, workdir: Path, dataset: Dataset | Interactions | None, say: Say
) -> Prepared:
    """Prepare the data of a new run and note its config; or take up the run that the folder holds.

    Raises InputError if the folder holds the run of another config.
    """
    path, given = workdir / "config.json", configs.to_json(config)
    if any(workdir.glob("seed-*")) or any(workdir.glob("fold-*")):
        raise InputError(f"{workdir} holds several runs; give another --workdir.")
    trained = (workdir / "metrics.json").exists() or readable(workdir / "checkpoints")
    changed = difference(read_json(path), given) if path.exists() else "its config.json is gone"
    if trained and changed:
        raise InputError(
            f"{workdir} holds a run of another config ({changed}); give another --workdir."
        )
    if not changed:
        try:
            return store.load(workdir / "dataset")
        except InputError as error:
            say(f"{error}: it is prepared again.")
    if dataset is None:
        dataset = load(config.data, say)
    elif isinstance(dataset, Interactions):
        dataset = Dataset("interactions", dataset)
    elif not isinstance(dataset, Dataset):
        raise InputError(
            f"interactions is a {type(dataset).__name__}; make it with Interactions.from_frame."
        )
    prepared = prepare(dataset, config.data, config.seed)
    store.save(prepared, workdir / "dataset")
    write_json(path, given)
    return prepared


def answers(workdir: Path) -> bool:
    """Tell whether a finished run's checkpoint is still there."""
    kept = read_json(workdir / "metrics.json").get("checkpoint")
    return isinstance(kept, dict) and readable(workdir / str(kept.get("directory")))


def load_run(workdir: Path, say: Say) -> Run:
    """Open a finished run; nothing but its folder is read."""
    config = configs.read(workdir / "config.json")
    if not (workdir / "metrics.json").exists():
        raise InputError(
            f"The run in {workdir} is not finished; give its jaxrec train command once more."
        )
    metrics = read_json(workdir / "metrics.json")
    if "runs" in metrics:
        raise InputError(f"{workdir} holds several runs; name one of the folders in it.")
    if not isinstance(metrics.get("checkpoint"), dict):
        raise InputError(f"{workdir / 'metrics.json'} is damaged; train into a fresh --workdir.")
    prepared = store.load(workdir / "dataset")
    events = fitted_on(prepared, config.protocol.fit_on)
    kept = metrics["checkpoint"]
    state = checkpoint.restore(workdir / kept["directory"], kept["step"], say)
    if config.objective is None:
        variables = rebuild(config.model.state, state)
        return Run(config, prepared, events, baseline_scorer(config.model), variables, metrics)
    params = state["params"] if state["ema"] is None else state["ema"]
    variables = {"params": params, **(state["collections"] or {})}
    scorer = model_scorer(
        config.model.build(make_spec(config, prepared, resident(prepared, events)))
    )
    return Run(config, prepared, events, scorer, variables, metrics)


def fitted_on(prepared: Prepared, fit_on: str) -> Interactions:
    """Give the events that the tested model is fitted on."""
    return prepared.split.train if fit_on == "train" else known(prepared.split, "test")


def make_spec(config: Config, prepared: Prepared, known: Resident) -> Spec:
    """Describe to a model what it is built for; `known` holds the events it trains on."""
    length = config.model.history_length
    return Spec(
        num_users=known.histories.indptr.shape[0] - 2,
        num_items=known.catalogue.counts.shape[0] - 1,
        max_length=longest(known.histories) if length is None else length,
        user_features=prepared.user_specs,
        item_features=prepared.item_specs,
        item_counts=np.asarray(known.catalogue.counts),
        positives=known.catalogue.positives,
    )


def difference(saved: Any, given: Any, path: str = "") -> str | None:
    """Name the first field in which two configs, as JSON, differ; or None."""
    if isinstance(saved, dict) and isinstance(given, dict):
        for name in given | saved:
            found = difference(saved.get(name), given.get(name), f"{path}.{name}".lstrip("."))
            if found:
                return found
        return None
    return None if saved == given else f"{path} is {saved!r} there and {given!r} here"
