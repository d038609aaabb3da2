"""The models that are trained beside a peer's, and their epochs and evaluations."""

import dataclasses
import time
from typing import Any

import numpy as np

from benchmarks.ours.answers import asker
from benchmarks.ours.side import Side
from benchmarks.ours.trainer import Trainer
from benchmarks.peers.worker import Answers, Told, curve
from benchmarks.works import Work
from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences, Pairs, resident
from jaxrec.data.prepare import DataConfig, Prepared
from jaxrec.evaluate import make_evaluator
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.deep_rec import DeepRecConfig
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import BinaryCrossEntropy, Bpr, FullSoftmax, InBatchSoftmax
from jaxrec.optimizer import Adam, Sgd
from jaxrec.similarity import Dot, Mlp
from jaxrec.train_step import TrainConfig

Params = dict[str, Any]


def bpr(p: Params, prepared: Prepared) -> Config:
    """A matrix factorisation by plain steps, as implicit takes them for each triple.

    The loss is a mean over the batch, so the step is the one of a triple times the batch's size;
    the decay of a user's row is that of the user's share of the batch.
    """
    decay = p["regularization"] / len(prepared.split.train.users)
    optimizer = Sgd(learning_rate=p["learning_rate"] * p["batch"], weight_decay=decay)
    return dataclasses.replace(mf_bpr(p, prepared), optimizer=optimizer)


def mf_bpr(p: Params, prepared: Prepared) -> Config:
    return _config(MatrixFactorizationConfig(p["dim"]), Bpr(), Pairs(p["batch"]), p)


def neumf(p: Params, prepared: Prepared) -> Config:
    similarity = Mlp(tuple(p["hidden"]))
    model = DeepRecConfig(p["dim"], hidden_dims=(), dropout=0.0, similarity=similarity)
    return _config(model, BinaryCrossEntropy(Uniform(1)), Pairs(p["batch"]), p)


def two_towers(p: Params, prepared: Prepared) -> Config:
    model = DeepRecConfig(p["dim"], hidden_dims=(p["hidden"],), dropout=0.0, similarity=Dot())
    return _config(model, InBatchSoftmax(), Pairs(p["batch"]), p)


def sasrec(p: Params, prepared: Prepared) -> Config:
    """As many steps an epoch as there are batches of `batch` users."""
    rows, users = _packed(p, prepared)
    steps = -(-users // p["batch"])
    return sasrec_of(p, PackedSequences(-(-rows // steps), p["length"]))


def sasrec_position(p: Params, prepared: Prepared) -> Config:
    """As many positions a step as the peer has."""
    return sasrec_of(p, PackedSequences(round(p["batch"] / p["length"]), p["length"]))


def sasrec_until(p: Params, prepared: Prepared) -> Config:
    """The objective, the batch and the step size of our choice."""
    rows = PackedSequences(32, p["length"])
    return sasrec_of({**p, "learning_rate": 2e-3}, rows)


def sasrec_of(p: Params, batches: PackedSequences) -> Config:
    model = SASRecConfig(
        embed_dim=p["dim"],
        num_layers=p["layers"],
        num_heads=p["heads"],
        mlp_ratio=p["mlp_ratio"],
        dropout=p["dropout"],
        history_length=p["length"],
    )
    return _config(model, FullSoftmax(), batches, p)


def _config(model: Any, objective: Any, batches: Any, p: Params) -> Config:
    optimizer, train = Adam(learning_rate=p["learning_rate"]), TrainConfig(epochs=100)
    return Config(DataConfig(), model, objective, batches, optimizer, train=train)


def _packed(p: Params, prepared: Prepared) -> tuple[int, int]:
    """Count the rows that the users are packed into, and the users."""
    train = prepared.split.train
    batches = PackedSequences(1, p["length"]).build(train, resident(prepared, train), 0)
    return batches.steps_per_epoch, batches.examples_per_epoch


# What is timed. -----------------------------------------------------------------------------------

CONFIGS = {
    "bpr": bpr,
    "mf_bpr": mf_bpr,
    "neumf": neumf,
    "neumf_ranking": neumf,
    "two_towers": two_towers,
    "sasrec": sasrec,
    "sasrec_position": sasrec_position,
    "sasrec_until": sasrec_until,
}


def epochs(work: Work, prepared: Prepared) -> Side:
    """Train on, by as many epochs each time."""
    trainer = Trainer(CONFIGS[work.kind](work.params, prepared), prepared)
    number = work.params.get("epochs", 1)
    return Side(lambda: trainer.epochs(number), _lists(trainer, prepared), trainer.program)


def positions(work: Work, prepared: Prepared) -> Side:
    """Train on by an epoch, and tell its seconds for a million targets."""
    config = CONFIGS[work.kind](work.params, prepared)
    trainer = Trainer(config, prepared)
    known = np.diff(np.asarray(trainer.plan.batches.data.resident.histories.indptr))
    targets = int(np.clip(known - 1, 0, work.params["length"]).sum())

    def once() -> Told:
        began = time.perf_counter()
        trainer.epochs()
        seconds = time.perf_counter() - began
        return Told(None, {"seconds": seconds / targets * 1e6, "positions": targets})

    return Side(once, lambda _: {}, trainer.program)


def to_goal(work: Work, prepared: Prepared) -> Side:
    """Train from new parameters, and look at validation after each epoch."""
    p = work.params
    trainer = Trainer(CONFIGS[work.kind](p, prepared), prepared, keep_start=True)
    ask = asker(trainer.plan.scorer, prepared, 10)
    target = np.zeros(len(prepared.split.train.users), np.int32)
    validation = prepared.split.validation
    target[validation.user - 1] = validation.item

    def once() -> Told:
        trainer.restart()
        return curve(
            p["our_epochs"], trainer.epochs, lambda: ask(trainer.state.variables()), target
        )

    return Side(once, _lists(trainer, prepared), trainer.program)


def ranking(work: Work, prepared: Prepared) -> Side:
    """Judge a model of one epoch for every user, over the full catalogue."""
    trainer = Trainer(CONFIGS[work.kind](work.params, prepared), prepared)
    trainer.epochs()
    protocol = Protocol(metrics=("ndcg@10",), monitor="ndcg@10", resamples=0)
    evaluate = make_evaluator(trainer.plan.scorer, prepared, "test", protocol)
    return Side(lambda: evaluate(trainer.state.variables()), _lists(trainer, prepared))


def _lists(trainer: Trainer, prepared: Prepared) -> Answers:
    def answers(_: Any) -> dict[str, np.ndarray]:
        return {"lists": asker(trainer.plan.scorer, prepared, 10)(trainer.state.variables())}

    return answers
