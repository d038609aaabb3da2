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

from jaxrec.data.histories import longest
from jaxrec.data.interactions import Interactions
from jaxrec.data.normalisation import Scale
from jaxrec.data.prepare import Prepared
from jaxrec.data.resident import Resident, question, resident
from jaxrec.data.splits import known as known_of
from jaxrec.errors import InputError
from jaxrec.metrics.beyond_accuracy import exposure_measures, list_measures
from jaxrec.metrics.bootstrap import intervals, linearised
from jaxrec.metrics.candidates import draw
from jaxrec.metrics.chunks import LENGTHS, Chunk, chunks, columns_of, mark, mask_of
from jaxrec.metrics.predictions import Predictions, prediction_measures
from jaxrec.metrics.protocol import BEYOND_ACCURACY, RANKING, Metric, Protocol, parse_metric
from jaxrec.metrics.questions import Questions, ask, known_in
from jaxrec.metrics.ranks import MASKED, NAN, count_ranks, formula, order_keys
from jaxrec.retrieval import Scorer, best_items, questions_at_once, reads_times
from jaxrec.typing import Batch

Known = tuple[Int[Array, "known_items"], Int[Array, "known_items"] | None]

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
    task = _plan(scorer, prepared, part, protocol, seed, fit_known)
    ask_lists = _list_asker(task, prepared, memory_budget)

    def run(variables: PyTree) -> Evaluation:
        variables = scorer.precompute(variables, task.data.catalogue)
        per_user: dict[str, np.ndarray] = {}
        whole: dict[str, float] = {}
        whole_intervals: dict[str, tuple[float, float]] = {}
        nan_scores = 0
        if task.rules.ranked or task.shown:
            values, recommended, nan_scores = ask_lists(variables)
            values |= list_measures(task.shown, recommended, task.data.catalogue, task.questions)
            per_user |= _means_of_users(values, task)
            whole, whole_intervals = exposure_measures(
                task.shown, recommended, task.num_items, protocol, seed
            )
        if task.valued:
            predictions = _predict_all(task, variables)
            nan_scores += int(np.isnan(predictions.scores).sum())
            per_user |= prediction_measures(task.valued, predictions, task.users)
        metrics = {name: float(x.mean()) for name, x in per_user.items()} | whole
        found = intervals(
            per_user, confidence=protocol.confidence, resamples=protocol.resamples, seed=seed
        )
        return Evaluation(
            metrics={name: metrics[name] for name in protocol.metrics},
            intervals=found | whole_intervals,
            per_user=per_user,
            users=task.users,
            nan_scores=nan_scores,
        )

    return run


class _Rules(NamedTuple):
    """What the compiled function depends on, besides the scorer."""

    protocol: Protocol
    ranked: tuple[tuple[str, Metric], ...]
    shown_k: int
    length: int


@dataclass(frozen=True, eq=False)
class _Task:
    """A part of the data with all that is asked about it."""

    scorer: Scorer
    data: Resident
    targets: Interactions
    questions: Questions
    rules: _Rules
    shown: dict[str, Metric]
    valued: dict[str, Metric]
    users: np.ndarray
    scale: Scale | None
    seed: int

    @property
    def num_items(self) -> int:
        return self.data.catalogue.counts.shape[0] - 1


def _plan(
    scorer: Scorer,
    prepared: Prepared,
    part: Literal["validation", "test"],
    protocol: Protocol,
    seed: int,
    fit_known: Interactions | None,
) -> _Task:
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
    timed = reads_times(scorer)
    questions = ask(known, targets, protocol, seed, timed)
    if not len(questions) and (ranked or shown):
        raise InputError(
            f"no user of the {part} part has {protocol.min_history} known items; lower "
            "protocol.min_history"
        )
    data = resident(prepared, fit_known, timed).knowing(known)
    length = scorer.history_length
    if length is None:
        grown = int((questions.stop - questions.start).max(initial=1))
        length = max(longest(data.histories), grown)
    shown_k = max([metric.k or 0 for metric in shown.values()], default=0)
    # What only the host reads must not make another compilation.
    on_device = dataclasses.replace(protocol, metrics=(protocol.monitor,), resamples=0)
    rules = _Rules(on_device, tuple(ranked.items()), shown_k, length)
    asked = questions.user if ranked or shown else questions.user[:0]
    users = np.union1d(asked, targets.user) if valued else np.unique(asked)
    return _Task(
        scorer, data, targets, questions, rules, shown, valued, users, prepared.scale, seed
    )


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


def _list_asker(
    task: _Task, prepared: Prepared, memory_budget: int
) -> Callable[[PyTree], tuple[dict[str, np.ndarray], np.ndarray, int]]:
    """Return the function of variables: each question's metrics and list, and a count of NaN."""
    scorer, data, questions, rules = task.scorer, task.data, task.questions, task.rules
    protocol = rules.protocol
    avoided = None
    if protocol.candidates in ("uniform", "popularity") and protocol.sample_avoids != "nothing":
        from_train = protocol.sample_avoids == "train"
        avoided = known_in(questions, prepared.split.train) if from_train else questions
    lists = prepared.dataset.candidates if protocol.candidates == "lists" else None
    if protocol.candidates == "lists" and lists is None:
        raise InputError(
            f"{prepared.dataset.name} has no lists of candidates; give another protocol.candidates"
        )
    seen = None if protocol.seen == "keep" else questions
    known, key = (questions.items, questions.time), jax.random.key(task.seed)
    known, key = jax.device_put((known, key))
    size = 0

    def run(variables: PyTree) -> tuple[dict[str, np.ndarray], np.ndarray, int]:
        nonlocal size
        if not size:
            one = question(data, jax.device_put(np.ones(1, np.int32)), rules.length)
            size = questions_at_once(scorer, variables, one, memory_budget)
            wanted = -(-len(questions) // (LENGTHS if rules.length else 1))
            size = max(min(size, (2**31 - 1) // (task.num_items + 1), wanted), 1)
        found = []
        for chunk in chunks(questions, seen, avoided, lists, size, task.num_items):
            own = rules._replace(length=columns_of(chunk, rules.length))
            chunk = jax.device_put(chunk)
            found.append(_ask_chunk(scorer, own, variables, data, known, key, chunk))
        by_chunk, recommended, nan_scores = zip(*jax.device_get(found), strict=True)
        values = {
            name: np.concatenate([chunk[name] for chunk in by_chunk])[: len(questions)]
            for name, _ in rules.ranked
        }
        return values, np.concatenate(recommended)[: len(questions)], int(sum(nan_scores))

    return run


def _means_of_users(values: dict[str, np.ndarray], task: _Task) -> dict[str, np.ndarray]:
    """Turn one value a question into one a user, of the same mean."""
    place = np.searchsorted(task.users, task.questions.user)
    counts = np.bincount(place, minlength=len(task.users))
    return {
        name: linearised(np.bincount(place, column, len(task.users)), counts)
        for name, column in values.items()
    }


@functools.partial(jax.jit, static_argnums=(0, 1))
def _ask_chunk(
    scorer: Scorer,
    rules: _Rules,
    variables: PyTree,
    data: Resident,
    shown: Known,
    key: Key[Array, ""],
    chunk: Chunk,
) -> tuple[dict[str, Float[Array, "questions"]], Int[Array, "questions k"], Int[Array, ""]]:
    """Give each question's metrics and best items, and count the NaN among candidates' scores."""
    protocol = rules.protocol
    batch = _batch(data, shown, chunk, rules.length)
    width = data.catalogue.counts.shape[0]
    known = mask_of(chunk.seen, chunk.user.shape[0], width)
    seen = known if protocol.seen == "exclude" else jnp.zeros_like(known)
    blocked = mark(seen, chunk.targets).at[:, 0].set(True)
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
            listed = _draw(sample_keys, data.catalogue.counts, chunk, protocol)
        columns = jnp.concatenate([chunk.targets, listed], axis=1)
        scores = scorer.scores(variables, batch, columns)
        if protocol.seen == "zero":
            scores = jnp.where(jnp.take_along_axis(known, columns, 1), 0, scores)
    targets, others, draws = _split_off(scores, columns, chunk.targets, blocked, protocol, tie_keys)
    where = chunk.targets > 0
    ranks = count_ranks(others, targets, where, protocol.ties, draws)
    number = jnp.sum(others != MASKED, 1, dtype=jnp.int32)
    values = {
        name: formula(metric, protocol)(ranks, where, number) for name, metric in rules.ranked
    }
    nan = jnp.sum(others == NAN, 1) + jnp.sum(where & (targets == NAN), 1)
    return values, recommended, jnp.sum(jnp.where(chunk.number >= 0, nan, 0))


def _batch(data: Resident, known: Known, chunk: Chunk, length: int) -> Batch:
    """Ask with the last `length` known items of each question."""
    batch = question(data, chunk.user, length)
    if not length or not known[0].shape[0]:
        return batch
    place = chunk.stop[:, None] + jnp.arange(-length, 0, dtype=jnp.int32)[None, :]
    where = place >= chunk.start[:, None]
    item, time = (x if x is None else jnp.where(where, x[jnp.maximum(place, 0)], 0) for x in known)
    shown: dict[str, Any] = {
        "history": item,
        "time": time,
        "where": where,
        "segment_ids": where.astype(jnp.int32),
    }
    return dataclasses.replace(batch, **shown)


def _draw(
    keys: Key[Array, "questions"],
    counts: Float[Array, "items_plus_1"],
    chunk: Chunk,
    protocol: Protocol,
) -> Int[Array, "questions candidates"]:
    weights = counts if protocol.candidates == "popularity" else jnp.ones_like(counts)
    avoided = mask_of(chunk.avoided, chunk.user.shape[0], counts.shape[0])
    allowed = ~mark(avoided, chunk.targets)
    return draw(keys, weights, allowed, protocol.num_candidates, protocol.replacement)


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


# Predicted values. --------------------------------------------------------------------------------


def _predict_all(task: _Task, variables: PyTree) -> Predictions:
    """Predict every event of the part from what is known of its user, in the source's units."""
    targets, length, clip = task.targets, task.rules.length, task.rules.protocol.clip
    size = min(EVENTS_AT_ONCE, max(2**22 // max(length, 1), 1), len(targets))
    found = []
    for start in range(0, len(targets), size):
        stop = min(start + size, len(targets))
        fill = (0, size - (stop - start))
        user, item = (np.pad(x[start:stop], fill) for x in (targets.user, targets.item))
        user, item = jax.device_put((user.astype(np.int32), item.astype(np.int32)))
        found.append(
            _predict(task.scorer, length, variables, task.data, user, item)[: stop - start]
        )
    scores, values = np.concatenate(jax.device_get(found)).astype(np.float64), targets.value
    if task.scale is not None:
        scores, values = (task.scale.restore(targets.user, x) for x in (scores, values))
    if clip is not None:
        scores = np.clip(scores, *clip)
    return Predictions(targets.user, scores, values)


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
