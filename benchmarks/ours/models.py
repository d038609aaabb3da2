"""The models that are trained beside a peer's, and their epochs and evaluations."""

import dataclasses
import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int

from benchmarks.ours.answers import asker
from benchmarks.ours.side import Side
from benchmarks.ours.trainer import Trainer
from benchmarks.peers.worker import Answers, Told, curve
from benchmarks.works import Work
from jaxrec.config import Config
from jaxrec.data.batches import Batches, PackedSequences, Pairs, Sequences, Users
from jaxrec.data.prepare import DataConfig, Prepared
from jaxrec.data.resident import resident
from jaxrec.encoders.transformer import Norm
from jaxrec.evaluate import make_evaluator
from jaxrec.masking import hide
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.bert4rec import BERT4RecConfig
from jaxrec.models.caser import CaserConfig
from jaxrec.models.deep_rec import DeepRecConfig
from jaxrec.models.gru4rec import GRU4RecConfig
from jaxrec.models.lightgcn import LightGCNConfig
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.models.mult_vae import MultVAEConfig
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import BinaryCrossEntropy, Bpr, FullSoftmax, InBatchSoftmax, MaskedItems
from jaxrec.optimizer import Adam, Sgd
from jaxrec.reconstruction import Reconstruction
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


def lightgcn(p: Params, prepared: Prepared) -> Config:
    return _config(LightGCNConfig(p["dim"], p["layers"]), Bpr(), Pairs(p["batch"]), p)


def mult_vae(p: Params, prepared: Prepared) -> Config:
    model = MultVAEConfig(p["dim"], tuple(p["hidden"]), dropout=0.5)
    return _config(model, Reconstruction(), Users(p["batch"]), p)


def neumf(p: Params, prepared: Prepared) -> Config:
    similarity = Mlp(tuple(p["hidden"]))
    model = DeepRecConfig(p["dim"], hidden_dims=(), dropout=0.0, similarity=similarity)
    return _config(model, BinaryCrossEntropy(Uniform(1)), Pairs(p["batch"]), p)


def two_towers(p: Params, prepared: Prepared) -> Config:
    model = DeepRecConfig(p["dim"], hidden_dims=(p["hidden"],), dropout=0.0, similarity=Dot())
    return _config(model, InBatchSoftmax(), Pairs(p["batch"]), p)


def sasrec(p: Params, prepared: Prepared) -> Config:
    """As many steps an epoch as there are batches of `batch` users."""
    return sasrec_of(p, _as_many_steps(p, prepared))


def sasrec_position(p: Params, prepared: Prepared) -> Config:
    """As many positions a step as the peer has."""
    return sasrec_of(p, PackedSequences(round(p["batch"] / p["length"]), p["length"]))


def sasrec_until(p: Params, prepared: Prepared) -> Config:
    """The objective, the batch and the step size of our choice."""
    rows = PackedSequences(32, p["length"])
    return sasrec_of({**p, "learning_rate": 2e-3}, rows)


def sasrec_of(p: Params, batches: PackedSequences) -> Config:
    model = SASRecConfig(**_transformer(p))
    return _config(model, FullSoftmax(), batches, p)


def gru4rec(p: Params, prepared: Prepared) -> Config:
    """As many targets a step as the peer has."""
    model = GRU4RecConfig(
        embed_dim=p["dim"],
        hidden_dim=p["hidden"],
        dropout=p["dropout"],
        history_length=p["length"],
    )
    batches = PackedSequences(round(p["batch"] / p["length"]), p["length"])
    return _config(model, FullSoftmax(), batches, p)


def caser(p: Params, prepared: Prepared) -> Config:
    """As many targets a step as the peer has, and users of their own: rows that are not packed."""
    model = CaserConfig(
        embed_dim=p["dim"],
        num_horizontal=p["horizontal"],
        num_vertical=p["vertical"],
        dropout=p["dropout"],
        history_length=p["length"],
    )
    batches = Sequences(round(p["batch"] / p["row"]), p["row"])
    return _config(model, FullSoftmax(), batches, p)


def bert4rec(p: Params, prepared: Prepared) -> Config:
    """Nearly as many rows a step as the peer has, so many that no step of an epoch is part full."""
    rows, _ = _packed(p, prepared, whole=True)
    batches = PackedSequences(-(-rows // -(-rows // p["batch"])), p["length"], whole=True)
    return bert4rec_of(p, batches, "post")


def bert4rec_rectools(p: Params, prepared: Prepared) -> Config:
    """As many steps an epoch as there are batches of `batch` users."""
    return bert4rec_of(p, _as_many_steps(p, prepared, whole=True), "pre")


def bert4rec_of(p: Params, batches: PackedSequences, norm: Norm) -> Config:
    model = BERT4RecConfig(**_transformer(p), norm=norm)
    return _config(model, MaskedItems(p["mask_fraction"], last_fraction=0.0), batches, p)


def _transformer(p: Params) -> Params:
    return {
        "embed_dim": p["dim"],
        "num_layers": p["layers"],
        "num_heads": p["heads"],
        "mlp_ratio": p["mlp_ratio"],
        "dropout": p["dropout"],
        "history_length": p["length"],
    }


def _config(model: Any, objective: Any, batches: Any, p: Params) -> Config:
    optimizer, train = Adam(learning_rate=p["learning_rate"]), TrainConfig(epochs=100)
    return Config(DataConfig(), model, objective, batches, optimizer, train=train)


def _as_many_steps(p: Params, prepared: Prepared, whole: bool = False) -> PackedSequences:
    """Pack users into as many steps an epoch as there are batches of `batch` users."""
    rows, users = _packed(p, prepared, whole)
    steps = -(-users // p["batch"])
    return PackedSequences(-(-rows // steps), p["length"], whole)


def _packed(p: Params, prepared: Prepared, whole: bool) -> tuple[int, int]:
    """Count the rows that the users are packed into, and the users."""
    train = prepared.split.train
    batches = PackedSequences(1, p["length"], whole).build(train, resident(prepared, train), 0)
    return batches.steps_per_epoch, batches.examples_per_epoch


# What is timed. -----------------------------------------------------------------------------------

CONFIGS = {
    "bpr": bpr,
    "bpr_cornac": bpr,
    "mf_bpr": mf_bpr,
    "lightgcn": lightgcn,
    "mult_vae": mult_vae,
    "neumf": neumf,
    "neumf_ranking": neumf,
    "two_towers": two_towers,
    "sasrec": sasrec,
    "sasrec_position": sasrec_position,
    "sasrec_until": sasrec_until,
    "gru4rec": gru4rec,
    "caser": caser,
    "bert4rec": bert4rec,
    "bert4rec_rectools": bert4rec_rectools,
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
    targets = targets_of(config.objective, trainer.plan.batches)

    def once() -> Told:
        began = time.perf_counter()
        trainer.epochs()
        seconds = time.perf_counter() - began
        return Told(None, {"seconds": seconds / targets * 1e6, "positions": targets})

    return Side(once, lambda _: {}, trainer.program)


def targets_of(objective: Any, batches: Batches) -> int:
    """Count the queries of an epoch that weigh something: of one draw, where items are hidden."""

    @jax.jit
    def count(data: Any, step: Int[Array, ""]) -> Int[Array, ""]:
        batch = batches.batch_at(data, step)
        if isinstance(objective, MaskedItems):
            key = jax.random.fold_in(jax.random.key(0), step)
            batch = hide(batch, objective.mask_fraction, objective.last_fraction, key)
        return (batch.weights > 0).sum()

    steps = range(batches.steps_per_epoch)
    return sum(int(count(batches.data, np.int32(step))) for step in steps)


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
