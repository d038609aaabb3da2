"""Types and ranges of config fields."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from jaxrec.errors import InputError
from jaxrec.fields import check


@dataclass(frozen=True)
class Inner:
    embed_dim: int = 4
    rate: float = 0.1
    kind: Literal["a", "b"] = "a"
    dropout: float = 0.5
    hidden_dims: tuple[int, ...] = ()
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    history_length: int = 0
    length: int | None = None
    mean: float = -3.0


@dataclass(frozen=True)
class Outer:
    inner: Any = Inner()
    names: tuple[str, ...] = ("x",)
    pair: tuple[int, float] = (1, 2.0)
    weights: dict[str, float] = field(default_factory=dict)
    user_column: str | None = None


@pytest.mark.parametrize(
    "config",
    [Outer(), Outer(Inner(rate=1)), Outer(weights={"buy": 2}), Outer(Inner(length=1, dropout=0.0))],
)
def test_good_values_pass(config):
    check(config)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (Outer(names=["x"]), "names"),
        (Outer(names=("x", 3)), "names"),
        (Outer(pair=(1, 2.0, 3)), "pair"),
        (Outer(pair=(1.5, 2.0)), "pair"),
        (Outer(weights={"buy": "much"}), "weights"),
        (Outer(weights={1: 2.0}), "weights"),
        (Outer(user_column=3), "user_column"),
        (Outer(Inner(embed_dim=True)), "inner.embed_dim"),
        (Outer(Inner(embed_dim=4.0)), "inner.embed_dim"),
        (Outer(Inner(rate="fast")), "inner.rate"),
        (Outer(Inner(kind="c")), "inner.kind"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(config, name):
    with pytest.raises(InputError, match=f"^{name} is .*not of type"):
        check(config)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("embed_dim", (0, -1)),
        ("dropout", (1.0, -0.1, math.nan)),
        ("hidden_dims", ((8, 0),)),
        ("learning_rate", (0.0, -1.0, math.inf)),
        ("weight_decay", (-1.0,)),
        ("history_length", (-1,)),
        ("length", (0,)),
        ("mean", (math.nan,)),
    ],
)
def test_a_value_out_of_range_is_named(name, values):
    for value in values:
        with pytest.raises(InputError, match=f"^inner.{name} is .*give a"):
            check(Outer(Inner(**{name: value})))
