"""TensorFlow Datasets, where the package is installed."""

import importlib
import sys
import types

import pandas as pd
import pytest

from jaxrec.data.sources import tfds
from jaxrec.data.sources.events import Columns, Files
from jaxrec.errors import InputError


@pytest.fixture
def package(monkeypatch):
    """A package that knows one data set."""

    def load(name, split):
        if name != "movielens/100k-ratings" or split != "train":
            raise ValueError(f"Dataset {name} not found.\nAvailable: …")
        return "loaded"

    frame = pd.DataFrame(
        {
            "user_id": [b"138", b"92", b"92"],
            "movie_id": [b"357", b"709", b"1"],
            "user_rating": [4.0, 2.0, 1.0],
            "timestamp": [30, 20, 10],
            "movie_title": [b"x", b"y", b"z"],
        }
    )
    module = types.SimpleNamespace(load=load, as_dataframe=lambda dataset: frame)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)


def test_events_are_read(package):
    dataset = tfds.read(Files("movielens/100k-ratings"), Columns())
    events = dataset.interactions
    assert events.users.raw(events.user).tolist() == [92, 92, 138]
    assert events.items.raw(events.item).tolist() == [1, 709, 357]
    assert events.value.tolist() == [1, 2, 4]
    assert "value = user_rating" in dataset.notes[0]


def test_an_unknown_name_is_one_sentence(package):
    with pytest.raises(InputError, match=r"cannot load 'x': Dataset x not found\.$"):
        tfds.read(Files("x"), Columns())


def test_without_the_package_the_sentence_says_how_to_get_it(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"install it with pip"):
        tfds.read(Files("movielens/100k-ratings"), Columns())
