"""Rows in rectangles: every entry stands once, in its row's place, with little padding."""

import itertools

import numpy as np
import pytest
from scipy import sparse

from jaxrec.baselines.ragged import LENGTHS, Layout, best_lengths


def some_matrix(rows, columns, seed=0):
    """Rows of skewed lengths; row 0 and column 0 are empty."""
    rng = np.random.default_rng(seed)
    chance = rng.random((rows, 1)) ** 4
    dense = (rng.random((rows, columns)) < chance) * rng.integers(1, 5, (rows, columns))
    dense[0], dense[:, 0] = 0, 0
    return sparse.csr_array(dense.astype(np.float32))


@pytest.mark.parametrize("devices", [1, 4])
def test_the_rectangles_hold_the_matrix(devices):
    matrix = some_matrix(90, 60)
    rows, columns = (
        Layout.build(np.diff(x.indptr), devices, 64) for x in (matrix, matrix.T.tocsr())
    )
    for layout, size in ((rows, 90), (columns, 60)):
        np.testing.assert_array_equal(layout.rows[layout.place], np.arange(size))
        assert len(layout.rows) % devices == 0
    parts = []
    for filled in rows.fill(matrix, columns):
        dense = np.zeros((*filled.counts.shape, len(columns.rows)))
        place = np.indices(filled.columns.shape)
        np.add.at(dense, (place[0], place[1], filled.columns), filled.weights)
        np.testing.assert_array_equal(filled.counts, (dense > 0).sum(2))
        by_device = dense.reshape(len(dense), devices, -1, dense.shape[-1])
        parts.append(by_device.swapaxes(0, 1).reshape(devices, -1, dense.shape[-1]))
    table = np.concatenate(parts, axis=1).reshape(len(rows.rows), -1)
    np.testing.assert_array_equal(table[rows.place][:, columns.place], matrix.toarray())
    assert table.sum() == matrix.sum()


def test_entries_of_weight_1_need_no_weights():
    matrix = some_matrix(20, 20)
    matrix.data[:] = 1
    layout = Layout.build(np.diff(matrix.indptr), 1, 64)
    assert all(filled.weights is None for filled in layout.fill(matrix, layout))


def test_the_lengths_are_the_best():
    counts = np.array([0, 3, 8, 9, 12, 12, 20, 21, 40])
    needed = np.maximum(-(-counts // 4) * 4, 4)

    def cost(lengths):
        return np.array(lengths)[np.searchsorted(lengths, counts)].sum()

    for most in (1, 2, 3):
        found = best_lengths(counts, most)
        every = itertools.combinations(np.unique(needed), most)
        assert cost(found) == min(cost(x) for x in every if x[-1] >= 40)


def test_many_lengths_are_thinned_out():
    counts = np.random.default_rng(0).integers(0, 50_000, 5000)
    lengths = best_lengths(counts)
    assert np.all(np.diff(lengths) > 0)
    assert len(lengths) == LENGTHS
    assert counts.max() <= lengths[-1]
    assert lengths[np.searchsorted(lengths, counts)].sum() < 1.2 * counts.sum()
