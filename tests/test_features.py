"""Side features: kinds, encodings, and that nothing but training is learnt from."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec.data.features import encode, fit_features, guess_kind
from jaxrec.errors import InputError
from jaxrec.typing import FeatureSpec

TABLE = pd.DataFrame(
    {
        "colour": ["red", "blue", None, "green"],
        "price": [1.0, 3.0, np.nan, 100.0],
        "genres": [["b", "a"], [], None, ["a", "z", "z"]],
        "text": ["It's a Dog", "a cat", None, "the DOG"],
        "vector": [[1.0, 2.0], [3.0, 4.0], None, [5.0, 6.0]],
    }
)
TRAIN = np.array([1, 2, 3])


def fit(*columns, table=TABLE, train=TRAIN):
    specs, arrays, encodings = fit_features(table, train, columns or None)
    return specs, arrays, encodings


def test_a_category_of_no_training_row_is_unseen():
    (spec,), arrays, _ = fit("colour")
    assert spec == FeatureSpec("colour", "categorical", 4)
    assert arrays["colour"].dtype == np.int32
    assert arrays["colour"].tolist() == [0, 3, 2, 0, 1]


def test_a_number_is_scaled_by_training_rows_and_says_if_it_is_there():
    (spec,), arrays, _ = fit("price")
    assert spec == FeatureSpec("price", "numeric", 2)
    assert arrays["price"].dtype == np.float32
    np.testing.assert_allclose(
        arrays["price"], [[0, 0], [-1, 1], [1, 1], [0, 0], [98, 1]], rtol=1e-6
    )


def test_several_categories_are_padded():
    (spec,), arrays, _ = fit("genres")
    assert spec == FeatureSpec("genres", "multi_categorical", 4)
    assert arrays["genres"].tolist() == [[0, 0], [3, 2], [0, 0], [0, 0], [2, 1]]


def test_text_with_bars_is_several_categories():
    table = pd.DataFrame({"genres": ["Drama|War", "War", None]})
    (spec,), arrays, _ = fit(table=table)
    assert spec == FeatureSpec("genres", "multi_categorical", 4)
    assert arrays["genres"].tolist() == [[0, 0], [2, 3], [3, 0], [0, 0]]


def test_tokens_are_words_in_their_order():
    (spec,), arrays, encodings = fit("text:tokens")
    assert spec == FeatureSpec("text", "tokens", 6)
    assert encodings[0].vocabulary == ("a", "cat", "dog", "it's")
    assert arrays["text"].tolist() == [[0, 0, 0], [5, 2, 4], [2, 3, 0], [0, 0, 0], [1, 4, 0]]


def test_dense_vectors_stay_as_they_are():
    (spec,), arrays, _ = fit("vector")
    assert spec == FeatureSpec("vector", "dense", 2)
    assert arrays["vector"].tolist() == [[0, 0], [1, 2], [3, 4], [0, 0], [5, 6]]


def test_a_kind_may_be_asked_for():
    table = pd.DataFrame({"year": [1995.0, np.nan, 2001.0]})
    (spec,), arrays, encodings = fit("year:categorical", table=table)
    assert spec == FeatureSpec("year", "categorical", 4)
    assert encodings[0].vocabulary == ("1995", "2001")
    assert arrays["year"].tolist() == [0, 2, 0, 3]


def test_all_usable_columns_are_features_by_default():
    table = TABLE.assign(name=[f"x{i}" for i in range(4)], nothing=[None] * 4)
    big = pd.concat([table] * 60, ignore_index=True).assign(name=[f"x{i}" for i in range(240)])
    specs, _, _ = fit(table=big)
    assert [spec.name for spec in specs] == ["colour", "price", "genres", "text", "vector"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 3], "numeric"),
        ([True, False, None], "categorical"),
        (["a", "b", "a"], "categorical"),
        ([["a"], ["b", "c"]], "multi_categorical"),
        ([[1], [2]], "multi_categorical"),
        ([[1.0], [2.0]], "dense"),
        ([[1.0], [2.0, 3.0]], "multi_categorical"),
        ([None, np.nan], None),
        ([f"name {i}" for i in range(300)], None),
    ],
)
def test_kinds_are_told_by_the_values(values, kind):
    assert guess_kind(pd.Series(values, dtype=object)) == kind


def test_a_constant_number_does_no_harm():
    table = pd.DataFrame({"x": [0.1, 0.1, 0.1, 7.0]})
    _, arrays, _ = fit("x", table=table)
    assert np.isfinite(arrays["x"]).all()
    np.testing.assert_allclose(arrays["x"][1:4, 0], 0, atol=1e-6)


def test_numbers_that_training_never_had_are_missing_statistics():
    table = pd.DataFrame({"x": [np.nan, np.nan, np.nan, 7.0]})
    _, arrays, _ = fit("x", table=table)
    assert arrays["x"][4].tolist() == [7.0, 1.0]


def test_later_tables_are_encoded_alike():
    _, arrays, encodings = fit()
    again = encode(TABLE.iloc[[3, 0]].reset_index(drop=True), encodings)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array[[0, 4, 1]])


def test_no_table_gives_no_features():
    assert fit_features(None, TRAIN) == ((), {}, ())


@pytest.mark.parametrize(
    ("columns", "table", "sentence"),
    [
        (("size",), TABLE, "no column 'size' for a feature; the columns are colour, price"),
        (("colour:big",), TABLE, "no known kind; the kinds are categorical"),
        (("colour", "colour"), TABLE, "named twice"),
        (("colour:numeric",), TABLE, "does not hold numbers"),
        (("colour:dense",), TABLE, "not a list of numbers"),
        (("genres:categorical",), TABLE, "its kind is multi_categorical"),
        (("x",), pd.DataFrame({"x": [1.0, np.inf]}), "infinite"),
        (
            ("x:dense",),
            pd.DataFrame({"x": [[1.0], [1.0, 2.0]]}),
            "a list of 1 finite numbers in row 2",
        ),
        (("x:dense",), pd.DataFrame({"x": [None]}), "holds no values"),
        (("x",), None, "there is no table for the feature 'x'"),
    ],
)
def test_wrong_features_are_one_sentence(columns, table, sentence):
    with pytest.raises(InputError, match=sentence):
        fit_features(table, np.array([1]), columns)


cell = st.one_of(st.none(), st.sampled_from(["a", "b", "c|d", ""]), st.floats(-1e9, 1e9))
lists = st.one_of(st.none(), st.lists(st.sampled_from(["p", "q", "r"]), max_size=4))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cell, lists, st.booleans(), cell), min_size=1, max_size=12), st.data())
def test_rows_outside_training_change_nothing_learnt(rows, data):
    """Whatever stands in the other rows, training rows get the same codes and the same sizes."""
    table = pd.DataFrame(
        {
            "text": pd.Series([row[0] for row in rows], dtype=object).map(
                lambda x: x if x is None else str(x)
            ),
            "many": pd.Series([row[1] for row in rows], dtype=object),
            "number": [row[3] if isinstance(row[3], float) else np.nan for row in rows],
        }
    )
    train = np.flatnonzero([row[2] for row in rows]) + 1
    columns = ("text:categorical", "many:multi_categorical", "number:numeric")
    specs, arrays, encodings = fit_features(table, train, columns)
    others = np.setdiff1d(np.arange(1, len(rows) + 1), train)
    changed = table.copy()
    changed["text"] = [x if i + 1 in train else "new" for i, x in enumerate(table["text"])]
    changed["many"] = pd.Series(
        [x if i + 1 in train else ["new"] * 9 for i, x in enumerate(table["many"])], dtype=object
    )
    changed["number"] = [x if i + 1 in train else 5e8 for i, x in enumerate(table["number"])]
    specs_after, arrays_after, encodings_after = fit_features(changed, train, columns)
    assert specs == specs_after
    assert encodings == encodings_after
    for spec in specs:
        array = arrays[spec.name]
        assert len(array) == len(rows) + 1
        np.testing.assert_array_equal(array[train], arrays_after[spec.name][train])
        assert not array[0].any()
        if spec.kind != "numeric":
            assert array.min() >= 0
            assert array.max() < spec.size
            assert not (array[train] == 1).any()
    assert (arrays_after["text"][others] == 1).all()
