"""jaxrec's side of benchmarks/throughput.py: does a work of works.py each time it is told.

python benchmarks/ours.py WORK FOLDER OUT.npz        (throughput.py starts it)
"""

import dataclasses
import importlib.metadata
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.worker import Answers, Once, serve
from benchmarks.rows import ROOT
from benchmarks.works import WORKS, Work
from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.config import Config, load_config
from jaxrec.data import store
from jaxrec.data.batches import Pairs, question, resident
from jaxrec.data.histories import longest, window
from jaxrec.data.prepare import Prepared
from jaxrec.errors import InputError
from jaxrec.evaluate import make_evaluator
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.objectives import Bpr
from jaxrec.optimizer import Sgd
from jaxrec.retrieval import Scorer, baseline_scorer, model_scorer, top_k
from jaxrec.sharding import make_mesh, replicate
from jaxrec.train_state import create
from jaxrec.train_step import make_train_steps
from jaxrec.typing import Spec

Arrays = Mapping[str, np.ndarray]

USERS_AT_ONCE = 2**26
"""Bytes of the known items of the users that are asked for at once, as in recommend.py."""


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


def params_for_peer(work: Work, prepared: Prepared) -> dict[str, Any]:
    """Say in the peer's terms what our config says; InputError where there is none."""
    if work.config is None:
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


def fit(work: Work, prepared: Prepared, arrays: Arrays) -> tuple[Once, Answers]:
    """Fit a baseline: that of the work's config, or ItemKNN with the work's neighbours."""
    if work.config is None:
        model: Any = ItemKNNConfig(neighbours=work.params["neighbours"])
    else:
        model = config_of(work).model

    def once() -> Any:
        return jax.block_until_ready(model.fit(prepared.split.train))

    def answers(state: Any) -> dict[str, np.ndarray]:
        return {"lists": lists(baseline_scorer(model), state, prepared, 10)()}

    return once, answers


def ratings(work: Work, prepared: Prepared, arrays: Arrays) -> tuple[Once, Answers]:
    """Fit a baseline on the training ratings, and predict and judge those of the test."""
    config = config_of(work)
    protocol = dataclasses.replace(config.protocol, metrics=("rmse",), resamples=0)
    evaluate = make_evaluator(baseline_scorer(config.model), prepared, "test", protocol)

    def once() -> float:
        state = jax.device_put(config.model.fit(prepared.split.train))
        return evaluate(state).metrics["rmse"]

    return once, lambda rmse: {"rmse": np.array(rmse)}


def bpr(work: Work, prepared: Prepared, arrays: Arrays) -> tuple[Once, Answers]:
    """Train a matrix factorisation on, by as many epochs each time.

    The loss is a mean over the batch, so the step is the one of a triple times the batch's size;
    the decay of a user's row is that of the user's share of the batch.
    """
    p, train = work.params, prepared.split.train
    data, mesh = resident(prepared, train), make_mesh()
    model = MatrixFactorizationConfig(embed_dim=p["dim"]).build(_spec(prepared))
    batches = Pairs(batch_size=p["batch"]).build(train, data, 0)
    batches = dataclasses.replace(batches, data=replicate(batches.data, mesh))
    decay = p["regularization"] / len(train.users)
    optimizer = Sgd(learning_rate=p["learning_rate"] * p["batch"], weight_decay=decay)
    tx = optimizer.build(1)
    state = create(model, tx, batches, jax.random.key(0), mesh, ema=False)
    steps = make_train_steps(model, Bpr(), tx, batches.batch_at, jax.random.key(1), mesh)
    count = replicate(np.int32(p["epochs"] * batches.steps_per_epoch), mesh)

    def once() -> Any:
        nonlocal state
        state, _ = jax.block_until_ready(steps(state, batches.data, count))
        return state

    def answers(state: Any) -> dict[str, np.ndarray]:
        return {"lists": lists(model_scorer(model), state.variables(), prepared, 10)()}

    return once, answers


def top_100(work: Work, prepared: Prepared, arrays: Arrays) -> tuple[Once, Answers]:
    """Ask a matrix factorisation with given factors for every user's best items."""
    factors = {who: arrays[f"{who}_factors"] for who in ("user", "item")}
    dim = factors["user"].shape[1]
    model = MatrixFactorizationConfig(embed_dim=dim).build(_spec(prepared))
    data = resident(prepared, prepared.split.train)
    params = jax.jit(model.init, static_argnames="method")(
        jax.random.key(0), question(data, jnp.zeros(1, jnp.int32), 0), method="predict"
    )["params"]
    for who, rows in factors.items():
        table = params[f"{who}_vector"]["embedding"]
        params[f"{who}_vector"]["embedding"] = table.at[1 : len(rows) + 1].set(rows)
    ask = lists(model_scorer(model), {"params": params}, prepared, work.params["k"])
    return ask, lambda found: {"lists": found}


MAKERS: dict[str, Callable[[Work, Prepared, Arrays], tuple[Once, Answers]]] = {
    "ials": fit,
    "item_knn": fit,
    "ease": fit,
    "svd": ratings,
    "knn_ratings": ratings,
    "bpr": bpr,
    "top_100": top_100,
}


def _spec(prepared: Prepared) -> Spec:
    train = prepared.split.train
    return Spec(num_users=len(train.users), num_items=len(train.items), max_length=0)


def lists(scorer: Scorer, variables: Any, prepared: Prepared, k: int) -> Callable[[], np.ndarray]:
    """Give the function that lists the k best items each user has not met in training."""
    train = prepared.split.train
    data = resident(prepared, train)
    seen = data.catalogue.positives
    widest, length = longest(seen), scorer.history_length
    length = longest(data.histories) if length is None else length
    size = max(USERS_AT_ONCE // (4 * max(widest + length, 1)), 1)
    size = -(-len(train.users) // -(-len(train.users) // size))

    def ask() -> np.ndarray:
        ready = scorer.precompute(variables, data.catalogue)
        found = []
        for start in range(1, len(train.users) + 1, size):
            rows = np.arange(start, start + size, dtype=np.int32)
            users = jnp.asarray(np.where(rows <= len(train.users), rows, 0))
            batch = question(data, users, length)
            known = window(seen, users, widest)[0]
            found.append(top_k(scorer, ready, batch, k, exclude=known)[0])
        return np.concatenate(jax.device_get(found))[: len(train.users)]

    return ask


def main() -> None:
    """Serve the work that is named, on the data in the folder."""
    name, folder, out = sys.argv[1:]
    work = next(work for work in WORKS if work.name == name)
    prepared = store.load(Path(folder) / "dataset")
    with np.load(Path(folder) / "data.npz") as arrays:
        once, answers = MAKERS[work.kind](work, prepared, arrays)
    serve(once, answers, Path(out), importlib.metadata.version("jaxrec"))


if __name__ == "__main__":
    main()
