"""Raw ids <-> rows: ascending, whatever the order and the kind; huge numbers and odd text."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec.data.ids import encode, lookup
from jaxrec.errors import InputError

INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=5)


@settings(deadline=None)
@given(st.lists(INTEGERS | st.integers(-5, 5), min_size=1, max_size=30))
def test_integers_ascend_by_number_in_any_container(raw):
    expected = sorted(set(raw))
    for column in (raw, np.array(raw), pd.Series(raw), [str(x) for x in raw]):
        ids, rows = encode(column, "user")
        assert ids.dtype == np.int64
        assert rows.dtype == np.int32
        assert ids.tolist() == expected
        assert ids[rows - 1].tolist() == raw


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=30))
def test_texts_come_back_and_ascend(raw):
    for column in (raw, np.array(raw), pd.Series(raw), pd.Series(raw, dtype=object)):
        ids, rows = encode(column, "user")
        assert [str(x) for x in ids[rows - 1].tolist()] == raw
        assert np.all(ids[1:] > ids[:-1])


@pytest.mark.parametrize(
    ("raw", "ids"),
    [
        (["10", "9"], [9, 10]),
        (["10", "9", "a"], ["10", "9", "a"]),
        (["007", "7"], ["007", "7"]),
        (["9223372036854775807", "1"], [1, 2**63 - 1]),
        (["9223372036854775808", "1"], ["1", "9223372036854775808"]),
        ([2**64, -1], ["-1", "18446744073709551616"]),
        (np.array([2**64 - 1, 3], np.uint64), ["18446744073709551615", "3"]),
        (np.array([2, 1], np.uint64), [1, 2]),
        ([2.0, 1.0], [1, 2]),
        ([1.5, 1.0], ["1.0", "1.5"]),
        (pd.Series([3, 1], dtype="Int64"), [1, 3]),
        (pd.Series(["b", "a"], dtype="category"), ["a", "b"]),
        (["é", "e", " "], [" ", "e", "é"]),
    ],
)
def test_kind_of_id(raw, ids):
    assert encode(raw, "item")[0].tolist() == ids


def test_narrow_and_wide_integers_number_alike():
    narrow = np.random.default_rng(0).integers(-120, 120, 1000)
    wide = np.where(narrow == 7, 2**60, narrow)  # keeps the order's ranks but one
    ids, rows = encode(wide, "user")
    np.testing.assert_array_equal(ids[rows - 1], wide)
    ids, rows = encode(narrow.astype(np.int8), "user")
    np.testing.assert_array_equal(ids[rows - 1], narrow)


@pytest.mark.parametrize("missing", [None, float("nan"), ""])
def test_a_missing_id_names_its_row(missing):
    with pytest.raises(InputError, match="item id in row 12 "):
        encode(["a", missing, "b"], "item", [11, 12, 13])


def test_an_endless_id_is_refused():
    with pytest.raises(InputError, match="1,001 characters long; check the delimiter"):
        encode(["a", "b" * 1001], "user")


def test_lookup_knows_either_kind_and_nothing_else():
    asked = [7, "7", "9", "x", None, "", 7.0, "007", 2**70]
    assert lookup(np.array([7, 9]), asked).tolist() == [1, 1, 2, 0, 0, 0, 1, 0, 0]
    del asked[6]  # 7.0 equals 7, as Python has it
    assert lookup(np.array(["7", "x"]), asked).tolist() == [1, 1, 0, 2, 0, 0, 0, 0]
    assert lookup(np.array([7]), []).tolist() == []
    assert lookup(np.array([], np.int64), [7]).tolist() == [0]


def test_the_largest_ids_are_found():
    ids = np.array([-(2**63), 2**63 - 1])
    assert lookup(ids, [2**63 - 1, str(-(2**63)), 2**63]).tolist() == [2, 1, 0]
