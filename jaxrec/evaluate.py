"""Judges anything that scores: the ranks of targets, predicted values, and what is recommended.

Questions are scored in chunks that fit a memory budget, by one compiled function; ranks are counted
on the device (metrics/ranks.py). No number depends on where the chunks lie.
"""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from jaxrec.data.batches import Resident, question, resident
from jaxrec.data.histories import histories
from jaxrec.data.interactions import Interactions
from jaxrec.data.prepare import Prepared
from jaxrec.data.splits import known as known_of
from jaxrec.errors import InputError
from jaxrec.metrics import ranks as formulas
from jaxrec.metrics.beyond_accuracy import exposure_measures, list_measures
from jaxrec.metrics.bootstrap import intervals, linearised
from jaxrec.metrics.candidates import draw
from jaxrec.metrics.chunks import Chunk, chunks
from jaxrec.metrics.predictions import Predictions, prediction_measures
from jaxrec.metrics.protocol import BEYOND_ACCURACY, RANKING, Metric, Protocol, parse_metric
from jaxrec.metrics.questions import Questions, ask
from jaxrec.metrics.ranks import MASKED, NAN, count_ranks, order_keys
from jaxrec.retrieval import Scorer, best_items, questions_at_once
from jaxrec.typing import Batch

MEMORY_BUDGET = 2**28
"""Bytes that scoring one chunk of questions may take."""
EVENTS_AT_ONCE = 2**13
"""Events whose values are predicted at once."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured.

    per_user: by metric, one value for each of `users` (rows), whose mean is the metric; for means
    over events and other ratios the linearised values, see metrics/bootstrap.py. Metrics of all
    lists together (coverage, gini) have none.
    nan_scores: how many scores of candidates, or predictions, were NaN.
    """

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_user: dict[str, np.ndarray]
    users: np.ndarray
    nan_scores: int


def evaluate(
    scorer: Scorer,
    variables: PyTree,
    prepared: Prepared,
    part: Literal["validation", "test"],
    protocol: Protocol,
    *,
    fit_known: Interactions | None = None,
    memory_budget: int = MEMORY_BUDGET,
    seed: int = 0,
) -> Evaluation:
    """Judge once; see `make_evaluator`."""
    return make_evaluator(
        scorer, prepared, part, protocol, seed, fit_known=fit_known, memory_budget=memory_budget
    )(variables)


def make_evaluator(
    scorer: Scorer,
    prepared: Prepared,
    part: Literal["validation", "test"],
    protocol: Protocol,
    seed: int = 0,
    *,
    fit_known: Interactions | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> Callable[[PyTree], Evaluation]:
    """Put what a part's questions need on the device; return the function of variables that asks.

    fit_known: the events that the scorer was fitted on, where the protocol does not say it. seed:
    of random ties, samples and resamples.
    """
    split = prepared.split
    targets = getattr(split, part)
    if not len(targets):
        raise InputError(f"the split has no {part} events to evaluate on; see data.split")
    known = known_of(split, part)
    if fit_known is None:
        refitted = part == "test" and protocol.fit_on == "train+validation"
        fit_known = known_of(split, "test") if refitted else split.train
    wanted = {name: parse_metric(name) for name in protocol.metrics}
    ranked, shown, valued = _sort_out(wanted, protocol)
    data = resident(prepared, fit_known)
    data = dataclasses.replace(data, histories=jax.device_put(histories(known)))
    questions = ask(known, targets, protocol, seed)
    if not len(questions) and (ranked or shown):
        raise InputError(
            f"no user of the {part} part has {protocol.min_history} known items; lower "
            "protocol.min_history"
        )
    length = scorer.history_length
    if length is None:
        length = max(int((questions.stop - questions.start).max(initial=0)), 1)
    shown_k = max([metric.k or 0 for metric in shown.values()], default=0)
    # What only the host reads must not make another compilation.
    on_device = dataclasses.replace(protocol, metrics=(), resamples=0)
    rules = _Rules(on_device, tuple(ranked.items()), shown_k, length)
    ask_all = _list_asker(scorer, prepared, data, questions, rules, seed, memory_budget)
    asked = [questions.user] if ranked or shown else []
    users = np.unique(np.concatenate([*asked, *([targets.user] if valued else [])]))

    def run(variables: PyTree) -> Evaluation:
        variables = scorer.precompute(variables, data.catalogue)
        per_user: dict[str, np.ndarray] = {}
        whole: dict[str, float] = {}
        whole_intervals: dict[str, tuple[float, float]] = {}
        nan_scores = 0
        if ranked or shown:
            values, recommended, nan_scores = ask_all(variables)
            values |= list_measures(
                shown, recommended, data.catalogue, questions, len(known.users.ids)
            )
            place = np.searchsorted(users, questions.user)
            for name, column in values.items():
                sums = np.bincount(place, column, len(users))
                per_user[name] = linearised(sums, np.bincount(place, minlength=len(users)))
            whole, whole_intervals = exposure_measures(
                shown, recommended, data.catalogue.counts.shape[0] - 1, protocol, seed
            )
        if valued:
            predictions = _predict_all(scorer, variables, data, targets, rules)
            nan_scores += int(np.isnan(predictions.scores).sum())
            per_user |= prediction_measures(valued, predictions, users)
        metrics = {name: float(x.mean()) for name, x in per_user.items()} | whole
        found = intervals(
            per_user, confidence=protocol.confidence, resamples=protocol.resamples, seed=seed
        )
        return Evaluation(
            metrics={name: metrics[name] for name in protocol.metrics},
            intervals=found | whole_intervals,
            per_user=per_user,
            users=users,
            nan_scores=nan_scores,
        )

    return run


def _sort_out(
    wanted: dict[str, Metric], protocol: Protocol
) -> tuple[dict[str, Metric], dict[str, Metric], dict[str, Metric]]:
    """Tell apart what ranks, lists and predicted values answer."""
    of_ranks = {*RANKING, *(["auc"] if protocol.auc == "candidates" else [])}
    ranked = {name: metric for name, metric in wanted.items() if metric.kind in of_ranks}
    shown = {name: metric for name, metric in wanted.items() if metric.kind in BEYOND_ACCURACY}
    rest = wanted.keys() - ranked.keys() - shown.keys()
    return ranked, shown, {name: wanted[name] for name in sorted(rest)}


# Lists: ranks of targets and top-k. ---------------------------------------------------------------


class _Rules(NamedTuple):
    """What the compiled function depends on."""

    protocol: Protocol
    ranked: tuple[tuple[str, Metric], ...]
    shown_k: int
    length: int


def _list_asker(
    scorer: Scorer,
    prepared: Prepared,
    data: Resident,
    questions: Questions,
    rules: _Rules,
    seed: int,
    memory_budget: int,
) -> Callable[[PyTree], tuple[dict[str, np.ndarray], np.ndarray, int]]:
    """Return the function of variables that gives each question's metrics and list, and a NaN
    count."""
    protocol = rules.protocol
    num_items = data.catalogue.counts.shape[0] - 1
    avoided = None
    if protocol.candidates in ("uniform", "popularity") and protocol.sample_avoids != "nothing":
        from_train = protocol.sample_avoids == "train"
        avoided = _spans_in_train(questions, prepared.split.train) if from_train else questions
    lists = prepared.dataset.candidates if protocol.candidates == "lists" else None
    if protocol.candidates == "lists" and lists is None:
        raise InputError(
            f"{prepared.dataset.name} has no lists of candidates; give another protocol.candidates"
        )
    seen = None if protocol.seen == "keep" else questions
    items, key = jax.device_put((questions.items, jax.random.key(seed)))
    size = 0

    def run(variables: PyTree) -> tuple[dict[str, np.ndarray], np.ndarray, int]:
        nonlocal size
        if not size:
            one = question(data, jnp.ones(1, jnp.int32), rules.length)
            size = questions_at_once(scorer, variables, one, memory_budget)
            size = max(min(size, (2**31 - 1) // (num_items + 1), len(questions)), 1)
        found = [
            _ask_chunk(scorer, rules, variables, data, items, key, jax.device_put(chunk))
            for chunk in chunks(questions, seen, avoided, lists, size, num_items)
        ]
        by_chunk, recommended, nan_scores = zip(*jax.device_get(found), strict=True)
        values = {
            name: np.concatenate([chunk[name] for chunk in by_chunk])[: len(questions)]
            for name, _ in rules.ranked
        }
        return values, np.concatenate(recommended)[: len(questions)], int(sum(nan_scores))

    return run


def _spans_in_train(questions: Questions, train: Interactions) -> Questions:
    csr = histories(train)
    indptr = np.asarray(csr.indptr, np.int64)
    return dataclasses.replace(
        questions,
        start=indptr[questions.user],
        stop=indptr[questions.user + 1],
        items=np.asarray(csr.indices),
    )


@functools.partial(jax.jit, static_argnums=(0, 1))
def _ask_chunk(
    scorer: Scorer,
    rules: _Rules,
    variables: PyTree,
    data: Resident,
    items: Int[Array, "known_items"],
    key: Key[Array, ""],
    chunk: Chunk,
) -> tuple[dict[str, Float[Array, "questions"]], Int[Array, "questions k"], Int[Array, ""]]:
    """Give each question's metrics and best items, and count the NaN among candidates' scores."""
    protocol = rules.protocol
    batch = _batch(data, items, chunk, rules.length)
    width = data.catalogue.counts.shape[0]
    known = _mask(chunk.seen, chunk.user.shape[0], width)
    seen = known if protocol.seen == "exclude" else jnp.zeros_like(known)
    blocked = _mark(seen, chunk.targets).at[:, 0].set(True)
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(chunk.number)
    tie_keys, sample_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    recommended = jnp.zeros((chunk.user.shape[0], 0), jnp.int32)
    columns = None
    if protocol.candidates == "all" or rules.shown_k:
        scores = scorer.scores(variables, batch)
        scores = jnp.where(known, 0, scores) if protocol.seen == "zero" else scores
        recommended, _ = best_items(scores, ~seen, rules.shown_k)
    if protocol.candidates != "all":
        listed = chunk.listed
        if protocol.candidates != "lists":
            counts = data.catalogue.counts
            weights = counts if protocol.candidates == "popularity" else jnp.ones_like(counts)
            allowed = ~_mark(_mask(chunk.avoided, *known.shape), chunk.targets)
            listed = draw(
                sample_keys, weights, allowed, protocol.num_candidates, protocol.replacement
            )
        columns = jnp.concatenate([chunk.targets, listed], axis=1)
        scores = scorer.scores(variables, batch, columns)
        if protocol.seen == "zero":
            scores = jnp.where(jnp.take_along_axis(known, columns, 1), 0, scores)
    targets, others, draws = _split_off(scores, columns, chunk.targets, blocked, protocol, tie_keys)
    where = chunk.targets > 0
    ranks = count_ranks(others, targets, where, protocol.ties, draws)
    number = jnp.sum(others != MASKED, 1, dtype=jnp.int32)
    values = {
        name: _formula(metric, protocol)(ranks, where, number) for name, metric in rules.ranked
    }
    nan = jnp.sum(others == NAN, 1) + jnp.sum(where & (targets == NAN), 1)
    return values, recommended, jnp.sum(jnp.where(chunk.number >= 0, nan, 0))


def _batch(data: Resident, items: Int[Array, "known_items"], chunk: Chunk, length: int) -> Batch:
    """Ask with the last `length` known items of each question."""
    batch = question(data, chunk.user, length)
    if not length or not items.shape[0]:
        return batch
    place = chunk.stop[:, None] + jnp.arange(-length, 0, dtype=jnp.int32)[None, :]
    where = place >= chunk.start[:, None]
    history = jnp.where(where, items[jnp.maximum(place, 0)], 0)
    shown: dict[str, Any] = {
        "history": history,
        "where": where,
        "segment_ids": where.astype(jnp.int32),
    }
    return dataclasses.replace(batch, **shown)


def _mask(places: Int[Array, "places"], rows: int, width: int) -> Bool[Array, "rows width"]:
    flat = jnp.zeros(rows * width, bool).at[places].set(True, mode="drop")
    return flat.reshape(rows, width)


def _mark(
    mask: Bool[Array, "questions width"], columns: Int[Array, "questions n"]
) -> Bool[Array, "questions width"]:
    return mask.at[jnp.arange(mask.shape[0])[:, None], columns].set(True)


def _split_off(
    scores: Float[Array, "questions n"],
    columns: Int[Array, "questions n"] | None,
    targets: Int[Array, "questions targets"],
    blocked: Bool[Array, "questions width"],
    protocol: Protocol,
    keys: Key[Array, "questions"],
) -> tuple[Array, Array, tuple[Array, Array] | None]:
    """Give the order keys of targets and of others, and under random ties the draws of both.

    columns: the items that were scored, targets first; None: the catalogue.
    """
    tables = [order_keys(scores)]
    if protocol.ties == "random":
        bits = jax.vmap(lambda key: jax.random.bits(key, scores.shape[1:]))(keys)
        tables.append(jax.lax.bitcast_convert_type(bits, jnp.int32))
    if columns is None:
        own = [jnp.take_along_axis(table, targets, 1) for table in tables]
        masked = blocked
    else:
        number = targets.shape[1]
        own = [table[:, :number] for table in tables]
        tables = [table[:, number:] for table in tables]
        masked = jnp.take_along_axis(blocked, columns[:, number:], 1)
    others = jnp.where(masked, MASKED, tables[0])
    return own[0], others, (tables[1], own[1]) if protocol.ties == "random" else None


def _formula(metric: Metric, protocol: Protocol) -> Callable[[Array, Array, Array], Array]:
    """Find a metric's formula over (ranks, where, number of other candidates)."""
    k, capped = metric.k or 0, protocol.recall == "capped"
    return {
        "ndcg": lambda ranks, where, number: formulas.ndcg_at(ranks, where, k, protocol.ideal),
        "recall": lambda ranks, where, number: formulas.recall_at(ranks, where, k, capped),
        "hit_rate": lambda ranks, where, number: formulas.hit_rate_at(ranks, where, k),
        "precision": lambda ranks, where, number: formulas.precision_at(ranks, where, k),
        "mrr": lambda ranks, where, number: formulas.mrr_at(ranks, where, k),
        "map": lambda ranks, where, number: formulas.map_at(ranks, where, k, capped),
        "auc": formulas.auc_of,
    }[metric.kind]


# Predicted values. --------------------------------------------------------------------------------


def _predict_all(
    scorer: Scorer, variables: PyTree, data: Resident, targets: Interactions, rules: _Rules
) -> Predictions:
    """Predict every event of the part from what is known of its user."""
    size = min(EVENTS_AT_ONCE, max(2**22 // max(rules.length, 1), 1), len(targets))
    found = []
    for start in range(0, len(targets), size):
        stop = min(start + size, len(targets))
        fill = (0, size - (stop - start))
        user, item = (np.pad(x[start:stop], fill) for x in (targets.user, targets.item))
        user, item = jax.device_put((user.astype(np.int32), item.astype(np.int32)))
        found.append(_predict(scorer, rules.length, variables, data, user, item)[: stop - start])
    scores = np.concatenate(jax.device_get(found)).astype(np.float64)
    if rules.protocol.clip is not None:
        scores = np.clip(scores, *rules.protocol.clip)
    return Predictions(targets.user, scores, targets.value)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _predict(
    scorer: Scorer,
    length: int,
    variables: PyTree,
    data: Resident,
    user: Int[Array, "events"],
    item: Int[Array, "events"],
) -> Float[Array, "events"]:
    batch = question(data, user, length)
    return scorer.predict(variables, dataclasses.replace(batch, target=item[:, None]))
