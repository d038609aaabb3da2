"""What the fields of a config may hold: the annotation gives the type, the name gives the range."""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable
from typing import Any

from jaxrec.errors import InputError

RANGES = (
    (r"(\w+_)?(dims?|ratio|num|batch_size|chunk|epochs|k)|num_\w+|length", "of at least 1"),
    (
        r"(\w+_)?(fraction|share|decay|power|norm)|(warmup|history|max)_\w+|min_(?!value)\w+",
        "of at least 0",
    ),
    (r"(\w+_)?seed", "of at least 0 and below 2**32"),
    (r"(\w+_)?(dropout|momentum|smoothing)|b1|b2", "of at least 0 and below 1"),
    (r"(\w+_)?(learning_rate|scale|temperature|eps)", "above 0"),
)
"""Names of fields and what their numbers are. A new config gets its ranges by naming its
fields like these; any other check is its __post_init__'s.
"""

_TESTS: dict[str, Callable[[int | float], bool]] = {
    "of at least 1": lambda number: number >= 1,
    "of at least 0": lambda number: number >= 0,
    "of at least 0 and below 1": lambda number: 0 <= number < 1,
    "of at least 0 and below 2**32": lambda number: 0 <= number < 2**32,
    "above 0": lambda number: number > 0,
}


def check(config: Any, name: str = "") -> None:
    """Hold every field, at every depth, against its annotation and the range of its name."""
    hints = typing.get_type_hints(type(config))
    for item in dataclasses.fields(config):
        check_value(getattr(config, item.name), hints[item.name], f"{name}{item.name}")


def check_value(value: Any, hint: Any, path: str) -> None:
    """Hold a value against an annotation, and the range of the name at the end of its path."""
    if not matches(value, hint):
        raise InputError(f"{path} is {value!r}, which is not of type {describe(hint)}.")
    if dataclasses.is_dataclass(value):
        check(value, f"{path}.")
        return
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, int | float) and not isinstance(number, bool):
            _check_range(path, path.rpartition(".")[2], number)


def matches(value: Any, hint: Any) -> bool:
    """Tell whether a value is of an annotated type; what is no plain type or container matches."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(matches(value, arg) for arg in args)
    if origin is typing.Literal:
        return any(value == arg and type(value) is type(arg) for arg in args)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(args) == 2 and args[1] is Ellipsis:
            return all(matches(x, args[0]) for x in value)
        return len(value) == len(args) and all(map(matches, value, args))
    if origin is dict:
        return isinstance(value, dict) and all(
            matches(key, args[0]) and matches(x, args[1]) for key, x in value.items()
        )
    if hint in (int, float) and isinstance(value, bool):
        return False
    if hint is float:
        return isinstance(value, int | float)
    return hint is Any or not isinstance(hint, type) or isinstance(value, hint)


def describe(hint: Any) -> str:
    """Write an annotation as it stands in code."""
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _check_range(path: str, name: str, number: int | float) -> None:
    if not math.isfinite(number):
        raise InputError(f"{path} is {number}; give a finite number.")
    for pattern, words in RANGES:
        if re.fullmatch(pattern, name) and not _TESTS[words](number):
            raise InputError(f"{path} is {number}; give a number {words}.")
