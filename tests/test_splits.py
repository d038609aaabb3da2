"""Splits: disjoint, complete, in time order where they say so, deterministic; and as published."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec.data.interactions import PARTS, Interactions
from jaxrec.data.splits import (
    Given,
    GlobalTime,
    KFold,
    LeaveOneOut,
    Ratio,
    UserHoldout,
    known,
)
from jaxrec.errors import InputError

EVENTS = st.lists(  # user, item, time: with many ties, in any order
    st.tuples(st.integers(1, 8), st.integers(1, 9), st.integers(0, 6)), min_size=1, max_size=60
)
SPLITS = [
    LeaveOneOut(),
    Ratio(),
    Ratio(0.2, 0.3, by="time"),
    Ratio(0.0, 0.2, rounding="up"),
    Ratio(0.25, 0.25, by="time", rounding="up"),
    GlobalTime(),
    GlobalTime(validation_from=2.0, test_from=4.0),
    KFold(k=3, fold=1),
    KFold(k=4, fold=3, validation=0.3),
    UserHoldout(0.2, 0.3),
    UserHoldout(1, 2, target_share=0.5, min_events=2),
    Given(),
    Given(validation=0.3),
]


def _build(events, order="time"):
    users, items, times = (list(column) for column in zip(*events))
    part = np.array([PARTS.index("train"), PARTS.index("test")], np.int8)[np.arange(len(users)) % 2]
    return Interactions.build(users, items, timestamp=times, part=part, order=order)


def _parts(split):
    parts = (getattr(split, name) for name in split.__dataclass_fields__)
    return [part for part in parts if part is not None]


def _ordered(data):
    key = list(zip(data.user.tolist(), data.timestamp.tolist(), data.row.tolist()))
    return key == sorted(key)


def _attempt(config, data, seed=0):
    """Split, or None where the data is too small, which must be said and not crash."""
    try:
        return config(data, seed)
    except InputError:
        return None


@settings(max_examples=100, deadline=None)
@given(events=EVENTS, config=st.sampled_from(SPLITS), seed=st.integers(0, 5))
def test_parts_are_disjoint_complete_ordered_and_deterministic(events, config, seed):
    data = _build(events)
    split = _attempt(config, data, seed)
    if split is None:
        return
    parts = _parts(split)
    rows = np.concatenate([part.row for part in parts])
    assert len(np.unique(rows)) == len(rows)
    if not isinstance(config, UserHoldout):  # which drops the items that training has not met
        assert len(rows) == len(events)
    assert all(_ordered(part) for part in parts)
    assert all(part.users is data.users and part.items is data.items for part in parts)
    assert len(split.test)
    for part, again in zip(parts, _parts(config(data, seed))):
        np.testing.assert_array_equal(part.row, again.row)


@settings(max_examples=100, deadline=None)
@given(events=EVENTS, config=st.sampled_from([x for x in SPLITS if "KFold" not in repr(x)]))
def test_known_events_are_no_targets(events, config):
    split = _attempt(config, _build(events))
    if split is None:
        return
    for part in ("validation", "test"):
        targets, facts = getattr(split, part), known(split, part)
        assert not set(targets.row.tolist()) & set(facts.row.tolist())
        assert _ordered(facts)
    assert known(split, "train") is split.train


@settings(max_examples=60, deadline=None)
@given(events=EVENTS, order=st.sampled_from(["time", "position", "row"]))
def test_leave_one_out_takes_the_last_two_in_designs_order(events, order):
    data = _build(events, order)
    by_user = {}
    for row, (user, _, time) in enumerate(events):
        by_user.setdefault(user, []).append((0 if order == "row" else time, row))
    histories = [[row for _, row in sorted(h)] for h in by_user.values()]
    split = _attempt(LeaveOneOut(), data)
    if max(map(len, histories)) < 3:
        assert split is None
        return
    assert sorted(split.test.row) == sorted(h[-1] for h in histories if len(h) >= 3)
    assert sorted(split.validation.row) == sorted(h[-2] for h in histories if len(h) >= 3)
    dropped = _attempt(LeaveOneOut(short_users="drop"), data)
    assert sorted(dropped.train.row) == sorted(r for h in histories if len(h) >= 3 for r in h[:-2])


@settings(max_examples=60, deadline=None)
@given(events=EVENTS, validation=st.sampled_from([0.0, 0.1, 0.4]), test=st.sampled_from([0.1, 0.3]))
def test_ratio_by_time_never_lets_the_future_into_train(events, validation, test):
    data = _build(events)
    split = _attempt(Ratio(validation, test, by="time"), data)
    if split is None:
        return
    for user in np.unique(split.test.user):
        earlier = [part.take(part.user == user) for part in (split.train, split.validation)]
        last = [max(zip(part.timestamp, part.row), default=None) for part in earlier]
        first = min(
            zip(
                split.test.timestamp[split.test.user == user],
                split.test.row[split.test.user == user],
            )
        )
        assert all(x is None or x < first for x in last)


@settings(max_examples=60, deadline=None)
@given(events=EVENTS, validation=st.sampled_from([0.0, 0.1, 0.4]), test=st.sampled_from([0.1, 0.3]))
def test_global_time_parts_do_not_overlap_in_time(events, validation, test):
    split = _attempt(GlobalTime(validation, test), _build(events))
    if split is None:
        return
    spans = [part.timestamp for part in (split.train, split.validation, split.test) if len(part)]
    assert all(earlier.max() < later.min() for earlier, later in itertools.pairwise(spans))


@settings(deadline=None)
@given(st.integers(1, 300), st.sampled_from([(0.1, 0.1), (0.0, 0.2), (0.2, 0.1)]))
def test_ratio_rounds_as_recbole_does(n, shares):
    """The rule of RecBole's Dataset._calcu_split_ids, from 8:1:1 to [train, validation, test]."""
    ratios = [1 - sum(shares), *shares]
    count = [int(ratio * n) for ratio in ratios]
    count[0] = n - sum(count[1:])
    for i in range(1, 3):
        if count[0] <= 1:
            break
        if 0 < ratios[-i] * n < 1:
            count[-i] += 1
            count[0] -= 1
    split = _attempt(Ratio(*shares), Interactions.build(["u"] * n, list(range(n))))
    if split is None:
        assert count[2] == 0 or (shares[0] > 0 and count[1] == 0)
    else:
        assert [len(split.train), len(split.validation), len(split.test)] == count


@settings(deadline=None)
@given(st.integers(2, 300))
def test_ratio_rounded_up_trains_on_four_fifths_rounded_down(n):
    split = Ratio(0.0, 0.2, rounding="up")(Interactions.build(["u"] * n, list(range(n))), 0)
    assert len(split.train) == int(0.8 * n)


def test_random_ratio_draws_every_place_alike():
    data = Interactions.build(np.repeat(np.arange(4000), 5), np.arange(20_000) % 7)
    places = Ratio(0.0, 0.2)(data, 3).test.row % 5
    counts = np.bincount(places, minlength=5)
    assert counts.sum() == 4000
    assert np.all(np.abs(counts - 800) < 5 * np.sqrt(800 * 0.8))
    other = Ratio(0.0, 0.2)(data, 4).test.row % 5
    assert not np.array_equal(places, other)


@pytest.mark.parametrize(("n", "k"), [(10, 5), (103, 5), (8, 3)])
def test_folds_are_surprises(n, k):
    """Surprise's KFold.split, in five lines, on events that came in another order than by user."""
    data = Interactions.build(np.arange(n) % 3, np.arange(n), timestamp=-np.arange(n), order="time")
    indices, stop = np.arange(n), 0
    np.random.RandomState(0).shuffle(indices)
    for fold in range(k):
        start, stop = stop, stop + n // k + (fold < n % k)
        split = KFold(k, fold)(data, seed=99)
        assert sorted(split.test.row) == sorted(indices[start:stop])
        assert len(split.validation) == 0


def test_user_holdout_repeats_liang_et_al():
    """The steps of generate_data.py (vae_cf) on raw rows."""
    random = np.random.default_rng(0)
    users, items = random.integers(0, 40, 600) * 7, random.integers(0, 90, 600)
    data = Interactions.build(users, items, timestamp=random.random(600), order="time")
    split = UserHoldout(6, 8)(data, seed=1)

    unique = np.unique(users)[np.random.RandomState(98765).permutation(len(np.unique(users)))]
    trained = np.isin(users, unique[:-14])
    np.testing.assert_array_equal(np.sort(split.train.row), np.flatnonzero(trained))
    for held, targets, fold_in in (
        (unique[-14:-8], split.validation, split.validation_fold_in),
        (unique[-8:], split.test, split.test_fold_in),
    ):
        rows = np.flatnonzero(np.isin(users, held) & np.isin(items, items[trained]))
        draws, hidden = np.random.RandomState(98765), []
        for user in np.sort(held):
            group = rows[users[rows] == user]
            if len(group) >= 5:
                chosen = draws.choice(len(group), size=int(0.2 * len(group)), replace=False)
                hidden.extend(group[chosen])
        assert sorted(targets.row) == sorted(hidden)
        assert sorted(fold_in.row) == sorted(set(rows) - set(hidden))


def test_given_parts_are_kept_and_histories_become_fold_in():
    part = np.array(
        [PARTS.index(name) for name in ("train", "train", "test_history", "test")], np.int8
    )
    data = Interactions.build([1, 2, 3, 3], [1, 2, 1, 2], part=part)
    split = Given()(data, 0)
    assert split.train.row.tolist() == [0, 1]
    assert split.test.row.tolist() == [3]
    assert split.test_fold_in.row.tolist() == [2]
    assert split.validation_fold_in is None
    assert len(split.validation) == 0
    assert known(split, "test").row.tolist() == [0, 1, 2]


def test_given_holds_validation_out_of_train_only():
    part = np.array([0] * 20 + [2] * 5, np.int8)
    data = Interactions.build([1] * 10 + [2] * 10 + [1] * 5, list(range(25)), part=part)
    split = Given(validation=0.1)(data, 0)
    assert split.test.row.tolist() == [20, 21, 22, 23, 24]
    assert split.validation.user.tolist() == [1, 2]
    assert len(split.train) == 18


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (LeaveOneOut(), "of 4 events of 2 users: leave-one-out needs users of at least 3 events, "
                        "and the longest history has 2"),
        (LeaveOneOut(min_events=2), "min_events must be 3 or more, not 2"),
        (Ratio(), "leaves validation empty, of 4 events of 2 users"),
        (Ratio(0.5, 0.5), "shares must be 0 or more and leave some for train"),
        (GlobalTime(), "needs times"),
        (KFold(k=5), "k must be within 2..4"),
        (KFold(k=2, fold=2), "fold must be within 0..1, not 2"),
        (UserHoldout(1, 1), "leaves 0 to train on"),
        (Given(), "one file, not parts"),
    ],
)  # fmt: skip
def test_impossible_splits_are_one_sentence(config, message):
    data = Interactions.build([1, 1, 2, 2], [1, 2, 1, 2])
    with pytest.raises(InputError, match=message):
        config(data, 0)


def test_equal_times_refuse_to_be_parted():
    data = Interactions.build([1, 1, 2, 2], [1, 2, 1, 2], timestamp=[5, 5, 5, 5], order="time")
    with pytest.raises(InputError, match=r"train and validation empty.*times span 5 to 5"):
        GlobalTime()(data, 0)


def test_folds_give_surprises_baseline_rmse(data_root):
    """BASELINES.md section 3: BaselineOnly (ALS, reg_u 15, reg_i 10) has .9440 / .7484."""
    table = np.loadtxt(data_root / "ml-100k" / "u.data", dtype=np.int64)
    data = Interactions.build(table[:, 0], table[:, 1], table[:, 2], table[:, 3], order="time")
    errors = [_baseline_errors(KFold(5, fold)(data, 0)) for fold in range(5)]
    assert np.mean([np.sqrt(np.mean(e**2)) for e in errors]) == pytest.approx(0.9440, abs=5e-5)
    assert np.mean([np.mean(np.abs(e)) for e in errors]) == pytest.approx(0.7484, abs=5e-5)


def _baseline_errors(split):
    train, test = split.train, split.test
    mean = train.value.mean(dtype=np.float64)
    rating = train.value - mean
    users, items = len(train.users) + 1, len(train.items) + 1
    user_bias, user_count = np.zeros(users), np.bincount(train.user, minlength=users)
    item_count = np.bincount(train.item, minlength=items)
    for _ in range(10):
        left = rating - user_bias[train.user]
        item_bias = np.bincount(train.item, left, minlength=items) / (10 + item_count)
        left = rating - item_bias[train.item]
        user_bias = np.bincount(train.user, left, minlength=users) / (15 + user_count)
    predicted = mean + user_bias[test.user] + item_bias[test.item]
    return np.clip(predicted, 1, 5) - test.value
