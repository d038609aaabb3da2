"""The evaluator against ten lines of NumPy, under every protocol, whatever the chunks."""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import DataConfig, Prepared, prepare
from jaxrec.data.splits import LeaveOneOut, Split
from jaxrec.errors import InputError
from jaxrec.evaluate import evaluate, make_evaluator
from jaxrec.metrics import chunks
from jaxrec.metrics.protocol import Protocol

USERS, ITEMS = 40, 30


@dataclass(frozen=True)
class TableScorer:
    """The variables are the scores of each user."""

    history_length: int | None = 0

    def precompute(self, variables, catalogue):
        return variables

    def scores(self, variables, batch, items=None):
        scores = variables[batch.user]
        return scores if items is None else jnp.take_along_axis(scores, items, 1)

    def predict(self, variables, batch):
        return self.scores(variables, batch, batch.target)[:, 0]


@dataclass(frozen=True)
class LastItemScorer(TableScorer):
    """The variables are the scores after each item."""

    history_length: int | None = 1

    def scores(self, variables, batch, items=None):
        scores = variables[batch.history[:, -1]]
        return scores if items is None else jnp.take_along_axis(scores, items, 1)


def prepared_of(train, validation, test, candidates=None):
    dataset = Dataset("toy", train, candidates=candidates)
    return Prepared(dataset, Split(train, validation, test), (), (), {}, {}, [])


def random_parts(seed=0):
    """Train, validation and test events of random users with random items, each pair once."""
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(USERS * ITEMS)[:600]
    users, items = pairs // ITEMS + 1, pairs % ITEMS + 1
    values = rng.integers(1, 6, 600).astype(np.float32)
    events = Interactions.build(users, items, values, np.arange(600), order="time")
    assert len(events.users) == USERS
    assert len(events.items) == ITEMS
    place = rng.permutation(600)
    return (
        events.take(place < 400),
        events.take((place >= 400) & (place < 450)),
        events.take(place >= 450),
    )


def random_table(seed=1):
    rng = np.random.default_rng(seed)
    count = (USERS + 1) * (ITEMS + 1)
    return (rng.permutation(count).reshape(USERS + 1, ITEMS + 1) / count).astype(np.float32)


def items_of(events):
    return {user: events.item[events.user == user].tolist() for user in np.unique(events.user)}


def slow_ranks(table, targets, known, seen="exclude"):
    """Sort each user's candidates, and give the places of the targets."""
    ranks = {}
    for user, wanted in targets.items():
        scores = table[user].astype(float).copy()
        mine = set(known.get(user, []))
        if seen == "zero":
            scores[list(mine)] = 0
        left_out = (mine if seen == "exclude" else set()) - set(wanted)
        order = [i for i in np.argsort(-scores, kind="stable") if i and i not in left_out]
        ranks[user] = [order.index(item) + 1 for item in wanted]
    return ranks


def slow_metrics(ranks, k):
    users = sorted(ranks)
    hits = {user: sorted(rank for rank in ranks[user] if rank <= k) for user in users}
    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))

    def mean(value):
        return np.mean([value(user) for user in users])

    return {
        f"recall@{k}": mean(lambda u: len(hits[u]) / len(ranks[u])),
        f"hit_rate@{k}": mean(lambda u: bool(hits[u])),
        f"precision@{k}": mean(lambda u: len(hits[u]) / k),
        f"mrr@{k}": mean(lambda u: 1 / hits[u][0] if hits[u] else 0),
        f"ndcg@{k}": mean(
            lambda u: sum(1 / np.log2(r + 1) for r in hits[u]) / ideal[min(k, len(ranks[u])) - 1]
        ),
        f"map@{k}": mean(lambda u: sum((i + 1) / r for i, r in enumerate(hits[u])) / len(ranks[u])),
    }


@pytest.mark.parametrize("seen", ["exclude", "zero", "keep"])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_equal_to_numpy(part, seen):
    train, validation, test = random_parts()
    table = random_table() - (0.5 if seen == "zero" else 0)
    targets, known = (validation, [train]) if part == "validation" else (test, [train, validation])
    known = items_of(Interactions.concatenate(*known))
    ranks = slow_ranks(table, items_of(targets), known, seen)
    expected = slow_metrics(ranks, 5) | slow_metrics(ranks, 1)
    protocol = Protocol(metrics=tuple(expected), seen=seen, resamples=20)
    prepared = prepared_of(train, validation, test)
    found = evaluate(TableScorer(), jnp.asarray(table), prepared, part, protocol)
    # Seen items at a score of 0 tie; the sort puts targets nowhere in particular among them.
    assert found.metrics == pytest.approx(expected, abs=1e-6)
    assert list(found.metrics) == list(expected)
    assert found.users.tolist() == sorted(items_of(targets))
    assert found.nan_scores == 0
    for name, (low, high) in found.intervals.items():
        assert low <= found.metrics[name] <= high
        assert found.per_user[name].mean() == pytest.approx(found.metrics[name])


EVERYTHING = (
    "ndcg@5", "recall@5", "map@5", "auc", "rmse", "coverage@3", "novelty@3", "diversity@3",
    "popularity_bias@3",
)  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"ties": "random", "averaged_over": "all_users"},
        {"candidates": "uniform", "num_candidates": 7, "ties": "random"},
        {"candidates": "popularity", "num_candidates": 5, "replacement": True, "seen": "keep"},
        {"averaged_over": "events", "seen": "zero"},
    ],
)
def test_no_number_depends_on_the_chunks(fields):
    prepared = prepared_of(*random_parts())
    protocol = Protocol(metrics=EVERYTHING, resamples=5, **fields)
    table = jnp.asarray(np.round(random_table(), 1))
    scorer = TableScorer()
    whole, tiny = (
        evaluate(scorer, table, prepared, "test", protocol, memory_budget=budget)
        for budget in (2**28, 3 * 4 * 31 * 4)
    )
    assert tiny.metrics == pytest.approx(whole.metrics, abs=1e-12)
    assert tiny.intervals == whole.intervals
    other = evaluate(scorer, table, prepared, "test", protocol, seed=1)
    drawn = protocol.ties == "random" or protocol.candidates != "all"
    assert (other.metrics["ndcg@5"] != whole.metrics["ndcg@5"]) == drawn


@dataclass(frozen=True)
class HistoryScorer(TableScorer):
    """The variables are what each item adds to the scores, most where it is the last."""

    history_length: int | None = 7

    def scores(self, variables, batch, items=None):
        age = jnp.arange(batch.history.shape[1], 0, -1)
        shown = jnp.where(batch.where[..., None], variables[batch.history], 0)
        scores = (shown / age[None, :, None]).sum(1)
        return scores if items is None else jnp.take_along_axis(scores, items, 1)


def test_no_number_depends_on_how_short_the_histories_of_a_chunk_are(monkeypatch):
    prepared = prepared_of(*random_parts())
    protocol, table = Protocol(resamples=0), jnp.asarray(random_table()[: ITEMS + 1])
    found = []
    for lengths in (1, 4, 7):
        monkeypatch.setattr(chunks, "LENGTHS", lengths)
        found.append(evaluate(HistoryScorer(), table, prepared, "test", protocol).metrics)
    assert found[1] == found[2] == pytest.approx(found[0], abs=1e-12)


def test_a_chunk_shows_the_columns_that_its_longest_history_needs():
    def columns(known, length):
        ends = {"start": np.zeros(2, np.int32), "stop": np.array([0, known], np.int32)}
        fields = dict.fromkeys(f.name for f in dataclasses.fields(chunks.Chunk)) | ends
        return chunks.columns_of(chunks.Chunk(**fields), length)

    assert [columns(n, 200) for n in (0, 1, 50, 51, 199, 200, 900)] == [
        50,
        50,
        50,
        100,
        200,
        200,
        200,
    ]
    assert [columns(n, 7) for n in (1, 3, 7, 8)] == [2, 4, 7, 7]
    assert columns(5, 0) == 0


def test_constant_and_nan_scorers_under_each_tie_rule():
    train, validation, test = random_parts()
    prepared = prepared_of(train, validation, test)
    known = items_of(Interactions.concatenate(train, validation))
    metrics = ("ndcg@5", "recall@5")
    zeros = jnp.zeros((USERS + 1, ITEMS + 1))
    found = {}
    for ties in ("pessimistic", "optimistic", "random"):
        protocol = Protocol(metrics=metrics, ties=ties, resamples=0)
        for name, table in (("zero", zeros), ("nan", zeros * jnp.nan)):
            found[ties, name] = evaluate(TableScorer(), table, prepared, "test", protocol)
        assert found[ties, "nan"].metrics == {"ndcg@5": 0, "recall@5": 0}
        candidates = sum(ITEMS - len(set(known.get(user, []))) for user in items_of(test))
        assert found[ties, "nan"].nan_scores == candidates
    assert found["pessimistic", "zero"].metrics == {"ndcg@5": 0, "recall@5": 0}
    assert found["optimistic", "zero"].metrics["ndcg@5"] == pytest.approx(1)
    protocol = Protocol(metrics=metrics, ties="random", resamples=0)
    evaluator = [
        make_evaluator(TableScorer(), prepared, "test", protocol, seed) for seed in range(40)
    ]
    mean = np.mean([run(zeros).metrics["recall@5"] for run in evaluator])
    expected = np.mean([5 / (ITEMS - len(set(known.get(user, [])))) for user in items_of(test)])
    assert mean == pytest.approx(expected, abs=0.02)


def test_infinite_scores_are_scores():
    prepared = prepared_of(*random_parts())
    table = np.full((USERS + 1, ITEMS + 1), -np.inf, np.float32)
    protocol = Protocol(metrics=("recall@5",), ties="optimistic", resamples=0)
    found = evaluate(TableScorer(), jnp.asarray(table), prepared, "test", protocol)
    assert found.metrics["recall@5"] > 0.9
    assert found.nan_scores == 0


def test_a_seen_target_is_still_ranked():
    events = Interactions.build(
        [1, 1, 1, 1, 2, 2, 2], [1, 2, 3, 1, 2, 3, 1], None, range(7), order="time"
    )
    prepared = prepare(Dataset("toy", events), DataConfig(split=LeaveOneOut()), 0)
    table = jnp.asarray([[0, 0, 0, 0], [0, 1, 3, 2], [0, 1, 3, 2]], jnp.float32)
    protocol = Protocol(metrics=("mrr@3",), resamples=0)
    found = evaluate(TableScorer(), table, prepared, "test", protocol)
    assert found.metrics["mrr@3"] == 1
    kept = dataclasses.replace(protocol, seen="keep")
    assert evaluate(TableScorer(), table, prepared, "test", kept).metrics["mrr@3"] == pytest.approx(
        1 / 3
    )


def test_means_over_events_with_a_growing_history():
    """GRU4Rec's protocol: a hit at every step, seen items kept, the mean over events."""
    train = Interactions.build(
        [1, 1, 2, 2, 2, 3, 3], [1, 2, 2, 1, 3, 3, 1], None, list(range(7)), order="time"
    )
    known, test = train.take(np.asarray([0, 1])), train.take(np.arange(2, 7))
    nothing = train.take(np.arange(0))
    prepared = prepared_of(known, nothing, test)
    table = jnp.asarray([[0, 0, 0, 0], [0, 0, 1, 2], [0, 3, 2, 1], [0, 3, 1, 2]], jnp.float32)
    protocol = Protocol(
        metrics=("mrr@3", "hit_rate@1"), averaged_over="events", seen="keep", min_history=1
    )
    found = evaluate(LastItemScorer(), table, prepared, "test", protocol)
    # 2 → 1 first, 1 → 3 first, 3 → 1 first; the first events of users 2 and 3 are not asked.
    assert found.metrics == {"mrr@3": 1, "hit_rate@1": 1}
    worse = evaluate(LastItemScorer(), table.at[1].set(table[1] * -1), prepared, "test", protocol)
    assert worse.metrics["mrr@3"] == pytest.approx((1 + 1 + 1 / 3) / 3)
    assert worse.metrics["hit_rate@1"] == pytest.approx(2 / 3)
    assert worse.users.tolist() == [2, 3]


def test_lists_drop_the_target_and_padding():
    train, validation, test = random_parts()
    targets = items_of(test)
    lists = np.random.default_rng(0).integers(0, ITEMS + 1, (USERS + 1, 6)).astype(np.int32)
    for user, wanted in targets.items():
        lists[user, 0] = wanted[0]
    table = random_table()
    expected = []
    for user, wanted in targets.items():
        others = [i for i in lists[user] if i > 0 and i not in wanted]
        ahead = [sum(table[user, i] > table[user, t] for i in [*others, *wanted]) for t in wanted]
        expected.append(np.mean([rank < 3 for rank in ahead]))
    protocol = Protocol(metrics=("recall@3",), candidates="lists", seen="keep", resamples=0)
    prepared = prepared_of(train, validation, test, lists)
    found = evaluate(TableScorer(), jnp.asarray(table), prepared, "test", protocol)
    assert found.metrics["recall@3"] == pytest.approx(np.mean(expected))
    with pytest.raises(InputError, match="candidates"):
        make_evaluator(TableScorer(), prepared_of(train, validation, test), "test", protocol)


@pytest.mark.parametrize("avoids", ["known", "train", "nothing"])
def test_samples_avoid_what_they_should(avoids):
    """With as many candidates as there are, a sample is all that may be drawn."""
    train, validation, test = random_parts()
    table = random_table()
    avoided = {"known": [train, validation], "train": [train], "nothing": []}[avoids]
    known = items_of(Interactions.concatenate(*avoided)) if avoided else {}
    expected = slow_metrics(slow_ranks(table, items_of(test), known), 4)
    protocol = Protocol(
        metrics=tuple(expected), candidates="uniform", num_candidates=ITEMS,
        sample_avoids=avoids, seen="keep", resamples=0,
    )  # fmt: skip
    prepared = prepared_of(train, validation, test)
    found = evaluate(TableScorer(), jnp.asarray(table), prepared, "test", protocol)
    assert found.metrics == pytest.approx(expected, abs=1e-6)


def test_recall_capped_and_all_users():
    train, validation, test = random_parts()
    prepared, table = prepared_of(train, validation, test), jnp.asarray(random_table())
    targets = items_of(test)
    known = items_of(Interactions.concatenate(train, validation))
    ranks = slow_ranks(np.asarray(table), targets, known)
    hits = [sum(rank <= 2 for rank in ranks[u]) / min(2, len(ranks[u])) for u in ranks]
    protocol = Protocol(metrics=("recall@2",), recall="capped", resamples=0)
    found = evaluate(TableScorer(), table, prepared, "test", protocol)
    assert found.metrics["recall@2"] == pytest.approx(np.mean(hits))
    everyone = dataclasses.replace(protocol, averaged_over="all_users")
    found = evaluate(TableScorer(), table, prepared, "test", everyone)
    assert found.metrics["recall@2"] == pytest.approx(np.sum(hits) / USERS)
    assert len(found.users) == USERS


def test_predicted_values():
    train, validation, test = random_parts()
    prepared = prepared_of(train, validation, test)
    table = random_table() * 6
    predicted = np.clip(table[test.user, test.item], 1, 5)
    errors = predicted - test.value
    protocol = Protocol(metrics=("rmse", "mae"), monitor="rmse", clip=(1.0, 5.0), resamples=200)
    found = evaluate(TableScorer(), jnp.asarray(table), prepared, "test", protocol)
    assert found.metrics["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-6)
    assert found.metrics["mae"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-6)
    low, high = found.intervals["rmse"]
    assert low < found.metrics["rmse"] < high


def test_click_metrics_of_log_odds():
    train, validation, test = random_parts()
    clicks = dataclasses.replace(test, value=(test.value > 3).astype(np.float32))
    prepared = prepared_of(train, validation, clicks)
    table = random_table() - 0.5
    odds, labels = table[clicks.user, clicks.item].astype(float), clicks.value > 0
    chance = 1 / (1 + np.exp(-odds))
    loss = -np.mean(np.where(labels, np.log(chance), np.log(1 - chance)))
    area = np.mean(odds[labels][:, None] > odds[~labels][None, :])
    protocol = Protocol(metrics=("auc", "log_loss"), auc="events", resamples=300)
    found = evaluate(TableScorer(), jnp.asarray(table), prepared, "test", protocol)
    assert found.metrics == pytest.approx({"auc": area, "log_loss": loss}, rel=1e-5)
    low, high = found.intervals["auc"]
    assert low < area < high
    assert high - low == pytest.approx(0.19, abs=0.05)


def test_nothing_is_copied_from_the_host_by_accident():
    prepared, table = prepared_of(*random_parts()), jnp.asarray(random_table())
    evaluator = make_evaluator(
        TableScorer(), prepared, "test", Protocol(metrics=("ndcg@5", "rmse"))
    )
    evaluator(table)
    with jax.transfer_guard("disallow"):
        evaluator(table)


def test_an_empty_part_is_refused():
    train, validation, test = random_parts()
    prepared = prepared_of(train, validation.take(np.arange(0)), test)
    with pytest.raises(InputError, match="no validation events"):
        make_evaluator(TableScorer(), prepared, "validation", Protocol())
    with pytest.raises(InputError, match="min_history"):
        make_evaluator(TableScorer(), prepared, "test", Protocol(min_history=1000))
