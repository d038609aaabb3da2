"""Normalisation: statistics of training events only, by hand, and undone."""

import numpy as np
import pytest

from jaxrec.data.interactions import Interactions
from jaxrec.data.normalisation import Normalisation, fit_scale, normalise
from jaxrec.data.splits import Split
from jaxrec.errors import InputError

KINDS = ["none", "log1p", "min_max", "user_mean", "z_score", "user_z_score"]
# Users 1, 2 train (user 2 with one value), user 3 is met at test only.
USERS, VALUES = [1, 1, 1, 2, 2, 1, 3], [1.0, 3.0, 5.0, 2.0, 2.0, 9.0, 4.0]


def _split(values):
    data = Interactions.build(USERS, list(range(7)), values)
    held = np.isin(data.row, [5, 6])
    empty = data.take(np.zeros(7, bool))
    return Split(data.take(~held), empty, data.take(held))


@pytest.mark.parametrize(
    ("kind", "train", "test"),
    [
        ("none", [1, 3, 5, 2, 2], [9, 4]),
        ("binary", [0, 0, 1, 0, 0], [1, 1]),
        ("log1p", np.log1p([1, 3, 5, 2, 2]), np.log1p([9, 4])),
        ("min_max", [0, 0.5, 1, 0.25, 0.25], [2, 0.75]),
        ("user_mean", [-2, 0, 2, 0, 0], [6, 4 - 2.6]),
        ("z_score", (np.array([1, 3, 5, 2, 2]) - 2.6) / np.std([1, 3, 5, 2, 2]),
         (np.array([9, 4]) - 2.6) / np.std([1, 3, 5, 2, 2])),
        ("user_z_score", np.array([-2, 0, 2, 0, 0]) / np.sqrt(8 / 3),
         [6 / np.sqrt(8 / 3), (4 - 2.6) / np.std([1, 3, 5, 2, 2])]),
    ],
)  # fmt: skip
def test_values_by_hand(kind, train, test):
    split, _ = normalise(_split(VALUES), Normalisation(kind, above=3.5))
    np.testing.assert_allclose(split.train.value, train, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(split.test.value, test, rtol=1e-5, atol=1e-6)
    assert split.train.value.dtype == np.float32
    assert split.test_fold_in is None


@pytest.mark.parametrize("kind", KINDS)
def test_test_values_change_nothing_in_training(kind):
    changed = [*VALUES[:5], -0.5, 100.0]
    one, _ = normalise(_split(VALUES), Normalisation(kind))
    other, _ = normalise(_split(changed), Normalisation(kind))
    np.testing.assert_array_equal(one.train.value, other.train.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_scale_is_undone(kind):
    before = _split(VALUES)
    after, scale = normalise(before, Normalisation(kind))
    back = scale.restore(after.test.user, after.test.value)
    np.testing.assert_allclose(back, before.test.value, rtol=1e-5)


def test_equal_values_do_not_divide_by_zero():
    data = Interactions.build([1, 2], [1, 2], [4.0, 4.0])
    for kind in ("min_max", "z_score", "user_z_score"):
        assert fit_scale(data, Normalisation(kind)).apply(data).value.tolist() == [0, 0]


def test_log1p_names_what_it_cannot_take():
    with pytest.raises(InputError, match="the value -2 in row 1 "):
        fit_scale(Interactions.build([1, 2], [1, 2], [1.0, -2.0]), Normalisation("log1p"))
