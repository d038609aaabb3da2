"""Ranges of fields: what they hold, and the text that names them."""

import re

import pytest

from jaxrec.errors import InputError
from jaxrec.space import Choice, Float, Int, parse


@pytest.mark.parametrize(
    ("text", "space"),
    [
        ("model.neighbours=int:10:500:log", Int(10, 500, log=True)),
        ("model.neighbours=int:0:3", Int(0, 3)),
        ("a.b.c=float:1e-4:1:log", Float(1e-4, 1.0, log=True)),
        ("a=float:-1:1", Float(-1.0, 1.0)),
        ("a=choice:cosine,dot", Choice(("cosine", "dot"))),
        ("a=choice:None, 2, True, 0.5", Choice((None, 2, True, 0.5))),
    ],
)
def test_text_names_a_range(text, space):
    assert parse(text) == (text.split("=")[0], space)


def test_a_range_is_written_as_it_stands_in_a_config():
    for space in (Int(10, 500, log=True), Float(0.0, 1.0), Choice((None, (1, 2), "a"))):
        assert eval(str(space)) == space


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("model.neighbours", "NAME=int:LOW:HIGH"),
        ("model.neighbours=10:500", "NAME=int:LOW:HIGH"),
        ("model.neighbours=int:10", "NAME=int:LOW:HIGH"),
        ("model.neighbours=int:10:500:lin", "NAME=int:LOW:HIGH"),
        ("model.neighbours=int:a:b", "NAME=int:LOW:HIGH"),
        ("model.neighbours=int:1.5:2", "NAME=int:LOW:HIGH"),
        ("model.neighbours=whole:1:2", "NAME=int:LOW:HIGH"),
        ("a=int:500:10", "lower end first"),
        ("a=float:0:1:log", "above 0"),
        ("a=float:0:inf", "inf"),
        ("a=choice:one", "two values"),
    ],
)
def test_text_that_is_no_range_is_one_sentence(text, word):
    with pytest.raises(InputError, match=re.escape(word)):
        parse(text)


def test_a_choice_is_plain():
    with pytest.raises(InputError, match="object"):
        Choice((object(), 1))
    with pytest.raises(InputError, match="two values"):
        Choice((1, 1))


def test_what_a_range_holds():
    assert Int(1, 3).holds(3)
    assert Float(0.0, 1.0).holds(1)
    for outside in (None, True, 4, 1.5, "1"):
        assert not Int(1, 3).holds(outside)
    choice = Choice((None, 1, (1, 2)))
    assert choice.holds((1, 2))
    assert not choice.holds(True)


def test_places_on_an_axis():
    assert Int(1, 3, log=True).layout == "log"
    assert [Int(1, 3).place(value) for value in (2, None)] == [2.0, None]
    choice = Choice(("a", True, 1))
    assert choice.layout == ("a", "True", "1")
    assert [choice.place(value) for value in (True, 1, "b")] == [1.0, 2.0, None]
