"""Columns: guessed by common names, dates to seconds, and errors that name the place."""

import numpy as np
import pandas as pd
import pytest

from jaxrec.data.columns import event_codes, guess_columns, is_date, numbers, seconds
from jaxrec.errors import InputError

DATES = pd.to_datetime(["1970-01-01", "1970-01-02 00:00:00.5"], format="ISO8601")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["userId", "movieId", "rating", "timestamp"],
            ["userId", "movieId", "rating", "timestamp"],
        ),
        (["timestamp", "visitorid", "event", "itemid"], ["visitorid", "itemid", None, "timestamp"]),
        (["user_id:token", "item_id:token"], ["user_id:token", "item_id:token", None, None]),
        (["Reviewer ID", "ASIN", "Overall", "unixReviewTime"],
         ["Reviewer ID", "ASIN", "Overall", "unixReviewTime"]),
        (["uid", "song", "plays", "date"], ["uid", "song", "plays", "date"]),
        (["title", "user", "item", "item_id"], ["user", "item", None, None]),
    ],
)  # fmt: skip
def test_common_names_are_guessed(names, expected):
    roles = guess_columns(names)
    assert [roles.get(role) for role in ("user", "item", "value", "timestamp")] == expected


def test_given_names_win_and_are_not_guessed_again():
    roles = guess_columns(["item", "user", "rating"], {"user": "item", "item": "user"})
    assert roles == {"user": "item", "item": "user", "value": "rating"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"value": "stars"}, "no column 'stars' for the value; the columns are who, item"),
        ({}, "no column looks like the user; name it .* the columns are who, item"),
    ],
)
def test_a_missing_column_names_those_there(given, message):
    with pytest.raises(InputError, match=message):
        guess_columns(["who", "item"], given)


@pytest.mark.parametrize(
    "column",
    [
        [0, 86_400.5],
        ["0", "86400.5"],
        ["1970-01-01", "1970-01-02T00:00:00.5"],
        ["1970-01-01 00:00:00", "1970-01-02 00:00:00.500"],
        ["1970-01-01T01:00:00+01:00", "1970-01-02T00:00:00.5Z"],
        DATES,
        DATES.tz_localize("UTC"),
    ],
)
def test_dates_and_numbers_become_seconds(column):
    assert seconds(column).tolist() == [0, 86_400.5]


@pytest.mark.parametrize(
    "dates",
    [
        ["01/31/1970", "02/01/1970"],
        ["31/01/1970", "01/02/1970"],
        ["31.01.1970 00:00", "01.02.1970 00:00"],
        ["1970/01/31", "1970/02/01"],
        ["Jan 31, 1970", "Feb 01, 1970"],
    ],
)
def test_month_or_day_comes_first_as_fits_all_dates(dates):
    days = np.array([30.0, 31.0]) * 86_400
    np.testing.assert_array_equal(seconds(dates), days)
    np.testing.assert_array_equal(seconds(dates[::-1]), days[::-1])


def test_dates_that_can_be_read_in_two_ways_are_refused():
    with pytest.raises(InputError, match=r"'02/03/2024' may have its month .* as YYYY-MM-DD"):
        seconds(["01/01/2024", "02/03/2024", "04/03/2024"])
    assert len(set(seconds(["01/01/2024", "01/01/2024"]))) == 1


def test_a_date_alone_is_known_as_one():
    assert all(map(is_date, ["2024-01-03", "02/03/2024", "13/02/2024", "Jan 3, 2024"]))
    assert not is_date("soon")


def test_missing_entries_stay_missing():
    assert np.isnan(seconds(["1970-01-01", None])[1])
    assert np.isnan(numbers(["1", None], "rating")[1])
    assert np.isnan(numbers(pd.Series([1, None], dtype="Int64"), "rating")[1])


def test_bad_entries_name_the_value_and_the_row():
    with pytest.raises(InputError, match=r"the rating 'good' in row 5 .* is not a number"):
        numbers(["1", "good"], "rating", [4, 5])
    with pytest.raises(InputError, match=r"time 'soon' in row 1 .* neither a number nor a date"):
        seconds(["2020-01-01", "soon"], "time")


def test_events_are_numbered_by_name():
    codes, names = event_codes(["view", "buy", "view"])
    assert codes.tolist() == [1, 0, 1]
    assert codes.dtype == np.int8
    assert names == ("buy", "view")
    with pytest.raises(InputError, match=r"event (nan|None) in row 1 "):
        event_codes(["view", None])
    with pytest.raises(InputError, match="200 different names"):
        event_codes([f"kind {i}" for i in range(200)])
