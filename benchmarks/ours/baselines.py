"""Baselines of jaxrec, fitted as their configs say."""

import dataclasses
from typing import Any

import jax
import numpy as np

from benchmarks.ours.answers import asker
from benchmarks.ours.side import Side
from benchmarks.rows import ROOT
from benchmarks.works import Work
from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.config import Config, load_config
from jaxrec.data.prepare import Prepared
from jaxrec.errors import InputError
from jaxrec.evaluate import make_evaluator
from jaxrec.retrieval import baseline_scorer


def config_of(work: Work) -> Config:
    """Load the work's config with its changes; InputError where it is missing or has other fields.

    The throughput of a method is that of its config, so that what is fast is also what is accurate.
    """
    path = ROOT / "configs" / f"{work.config}.py"
    if not path.is_file():
        raise InputError(f"there is no config {work.config} yet")
    config = load_config(str(path))
    try:
        model = dataclasses.replace(config.model, **work.changes)
    except TypeError as error:
        raise InputError(f"{work.config}: {error}") from None
    return dataclasses.replace(config, model=model)


def params_for_peer(work: Work, prepared: Prepared | None) -> dict[str, Any]:
    """Say in the peer's terms what our config says; InputError where there is none."""
    if work.config is None or prepared is None:
        return work.params
    model, train = config_of(work).model, prepared.split.train
    if work.kind == "ease":
        return {"l2": model.l2}
    if work.kind != "ials":
        return work.params
    # implicit minimises the same loss over a0, with one regularisation for all users and items.
    a0, sizes = model.unobserved_weight, (len(train.users), len(train.items))
    numbers = [
        np.bincount(rows, minlength=own + 1)[1:] + a0 * others
        for rows, own, others in ((train.user, *sizes), (train.item, *sizes[::-1]))
    ]
    l2 = model.l2 * float(np.mean(np.concatenate(numbers) ** model.l2_power))
    return {**work.params, "alpha": 1 + 1 / a0, "regularization": l2 / a0}


def fit(work: Work, prepared: Prepared) -> Side:
    """Fit a baseline: that of the work's config, or ItemKNN with the work's neighbours."""
    if work.config is None:
        model: Any = ItemKNNConfig(neighbours=work.params["neighbours"])
    else:
        model = config_of(work).model

    def once() -> Any:
        return jax.block_until_ready(model.fit(prepared.split.train))

    def answers(state: Any) -> dict[str, np.ndarray]:
        return {"lists": asker(baseline_scorer(model), prepared, 10)(state)}

    return Side(once, answers)


def ratings(work: Work, prepared: Prepared) -> Side:
    """Fit a baseline on the training ratings, and predict and judge those of the test."""
    config = config_of(work)
    protocol = dataclasses.replace(config.protocol, metrics=("rmse",), resamples=0)
    evaluate = make_evaluator(baseline_scorer(config.model), prepared, "test", protocol)

    def once() -> float:
        state = jax.device_put(config.model.fit(prepared.split.train))
        return evaluate(state).metrics["rmse"]

    return Side(once, lambda rmse: {"rmse": np.array(rmse)})
