"""What `jaxrec tune` searches: a range for each field, as Python in a config or as text."""

import ast
import math
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxrec.errors import InputError

FORMS = "NAME=int:LOW:HIGH or NAME=float:LOW:HIGH, either with :log, or NAME=choice:A,B,C"


@dataclass(frozen=True)
class _Interval:
    low: Any
    high: Any
    log: bool = False
    """Whether numbers of each order of magnitude are as likely."""
    kind: ClassVar[Any]

    def __post_init__(self) -> None:
        for end in (self.low, self.high):
            if not self._is_number(end):
                raise InputError(f"{self} has the end {end!r}, which is no such number")
        if not self.low < self.high:
            raise InputError(f"{self} is empty; give the lower end first")
        if self.log and self.low <= 0:
            raise InputError(f"{self} cannot go by factors from {self.low!r}; begin above 0")

    def __str__(self) -> str:
        log = ", log=True" if self.log else ""
        return f"{type(self).__name__}({self.low!r}, {self.high!r}{log})"

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that a field must be able to hold."""
        return self.low, self.high

    def holds(self, value: Any) -> bool:
        """Tell whether the value could be drawn."""
        return self._is_number(value) and self.low <= value <= self.high

    def place(self, value: Any) -> float | None:
        """Tell where the value stands on an axis of this space; None if it does not."""
        return float(value) if self.holds(value) else None

    @property
    def layout(self) -> str:
        """The axis that shows the numbers evenly."""
        return "log" if self.log else "linear"

    def _is_number(self, value: Any) -> bool:
        fits = isinstance(value, self.kind) and not isinstance(value, bool)
        return fits and math.isfinite(value)

    def stored(self, value: Any) -> Any:
        """Give the value as the trials' storage holds it."""
        return value


@dataclass(frozen=True)
class Float(_Interval):
    """Numbers from low to high."""

    kind = int | float

    def suggest(self, trial: Any, name: str) -> float:
        """Draw by an Optuna trial, or read what a finished one drew."""
        return float(trial.suggest_float(name, self.low, self.high, log=self.log))


@dataclass(frozen=True)
class Int(_Interval):
    """Whole numbers from low to high, both among them."""

    kind = int

    def suggest(self, trial: Any, name: str) -> int:
        """Draw by an Optuna trial, or read what a finished one drew."""
        return int(trial.suggest_int(name, self.low, self.high, log=self.log))


@dataclass(frozen=True)
class Choice:
    """One of some values: None, truth values, numbers, words, or tuples of them."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.values, tuple) or len(set(map(repr, self.values))) < 2:
            raise InputError(f"{self} is no choice; give a tuple of two values or more")
        for value in self.values:
            if not _is_plain(value):
                raise InputError(
                    f"{value!r} cannot be chosen; give None, truth values, numbers, words, or "
                    "tuples of them"
                )

    def __str__(self) -> str:
        return f"Choice({self.values!r})"

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that a field must be able to hold."""
        return self.values

    def holds(self, value: Any) -> bool:
        """Tell whether the value could be drawn."""
        return repr(value) in map(repr, self.values)

    def place(self, value: Any) -> float | None:
        """Tell where the value stands on an axis of this space; None if it does not."""
        texts = [*map(repr, self.values)]
        return float(texts.index(repr(value))) if self.holds(value) else None

    @property
    def layout(self) -> tuple[str, ...]:
        """The names on the axis."""
        return tuple(map(str, self.values))

    def stored(self, value: Any) -> str:
        """Give the value as the trials' storage holds it, which knows no tuples."""
        return repr(value)

    def suggest(self, trial: Any, name: str) -> Any:
        """Draw by an Optuna trial, or read what a finished one drew."""
        by_text = {repr(value): value for value in self.values}
        return by_text[trial.suggest_categorical(name, tuple(by_text))]


Range = Float | Int | Choice


def parse(text: str) -> tuple[str, Range]:
    """Read a field's name and range from text such as model.neighbours=int:10:500:log."""
    name, _, written = text.partition("=")
    kind, _, rest = written.partition(":")
    try:
        if kind == "choice":
            return name, Choice(tuple(map(_literal, rest.split(","))))
        low, high, *log = rest.split(":")
        if log not in ([], ["log"]):
            raise ValueError
        if kind == "int":
            return name, Int(int(low), int(high), bool(log))
        if kind == "float":
            return name, Float(float(low), float(high), bool(log))
        raise ValueError
    except InputError:
        raise
    except ValueError:
        raise InputError(f"--space {text} cannot be read; write {FORMS}") from None


def _literal(word: str) -> Any:
    try:
        return ast.literal_eval(word.strip())
    except (ValueError, SyntaxError):
        return word.strip()


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
