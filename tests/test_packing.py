import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jaxrec.data.packing import pack, packed_places

LENGTHS = st.lists(st.integers(1, 10), min_size=1, max_size=40).map(np.array)


@given(lengths=LENGTHS)
def test_examples_do_not_overlap(lengths):
    row, start = pack(lengths, 10)
    taken = np.zeros((row.max() + 1, 10), int)
    for r, s, length in zip(row, start, lengths):
        assert s + length <= 10
        taken[r, s : s + length] += 1
    assert taken.max() == 1
    assert taken.any(axis=1).all()


@given(lengths=LENGTHS)
def test_no_two_rows_could_be_one(lengths):
    row, _ = pack(lengths, 10)
    used = np.sort(np.bincount(row, lengths))
    assert len(used) < 2 or used[0] + used[1] > 10


@given(lengths=LENGTHS)
def test_every_number_has_its_place(lengths):
    first = 100 * np.arange(len(lengths))
    numbers, segments = packed_places(first, lengths, 10)
    np.testing.assert_array_equal(segments > 0, numbers >= 0)
    runs = []
    for row, segment in zip(numbers, segments):
        assert (np.diff((row >= 0).astype(int)) >= 0).all()  # padding stands in front
        for s in range(1, segment.max() + 1):
            run = row[segment == s]
            assert (np.diff(run) == 1).all()
            runs.append((int(run[0]), len(run)))
    assert sorted(runs) == [(f, n) for f, n in zip(first.tolist(), lengths.tolist())]


def test_the_fit_is_the_best_one():
    row, start = pack(np.array([3, 7, 6, 4]), 10)
    assert row.tolist() == [0, 0, 1, 1]
    assert start.tolist() == [7, 0, 0, 6]
