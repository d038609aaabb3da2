"""The config of a run: composed from the dataclasses of other modules, read, overridden, saved."""

import contextlib
import dataclasses
import difflib
import importlib
import importlib.util
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import tyro

import jaxrec
from jaxrec import fields
from jaxrec.data.prepare import DataConfig
from jaxrec.errors import InputError
from jaxrec.metrics.protocol import Protocol
from jaxrec.optimizer import Adam
from jaxrec.space import Range
from jaxrec.train_step import TrainConfig
from jaxrec.workdir import read_json


# Fields that hold one of several classes are Any: the command line then takes the default's fields.
@dataclass(frozen=True)
class Config:
    """One experiment, whole: the same config and seed give the same numbers on the same machine."""

    data: DataConfig
    """Where the events come from, how they are cleaned, split and described."""
    model: Any
    """A config of jaxrec.models (trained by steps) or jaxrec.baselines (fitted in closed form)."""
    objective: Any = None
    """A dataclass of jaxrec.objectives; None for a baseline."""
    batches: Any = None
    """Pairs, Sequences or Users of jaxrec.data.batches; None for a baseline."""
    optimizer: Any = field(default_factory=Adam)
    """An optimizer of jaxrec.optimizer: how parameters follow their gradients."""
    protocol: Protocol = field(default_factory=Protocol)
    """How the recommender is asked and judged."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """How long, how often, and when to stop."""
    seed: int = 0
    """Of the split, the initial parameters, the batches and every draw."""

    def __post_init__(self) -> None:
        fits = any(getattr(self.objective, x, False) for x in ("hides_items", "reconstructs"))
        if getattr(self.batches, "whole", False) and not fits:
            raise InputError(
                "The batches (whole, or Users) show the model every item that it must name, and "
                "the objective hides none; leave batches.whole False, or let the objective be "
                "MaskedItems or Reconstruction."
            )
        if self.train.accumulate > 1 and (found := _of_whole_batches(self.objective)):
            raise InputError(
                f"train.accumulate is {self.train.accumulate}, and the penalty of {found} is that "
                "of a whole batch; leave accumulate 1, or set the penalty's decay to 0."
            )


def _of_whole_batches(objective: Any) -> str | None:
    """Name the first objective, of those around each other, that is no mean over parts."""
    while objective is not None:
        if getattr(objective, "whole_batch", False):
            return type(objective).__name__
        objective = getattr(objective, "objective", None)
    return None


@dataclass(frozen=True)
class Source:
    """What `jaxrec data` reads; its options have the names that they have in `jaxrec train`."""

    data: DataConfig
    """Where the events come from."""


C = TypeVar("C")


def load_config(name: str, overrides: Sequence[str] = ()) -> Config:
    """Run the config file of that path or bare name, and apply overrides such as `--seed 3`."""
    path = find(name)
    config = _run_file(path, lambda module: module.get_config())
    if not isinstance(config, Config):
        raise InputError(
            f"get_config() of {path} gave a {type(config).__name__}: return a jaxrec.config.Config"
        )
    fields.check(config)
    return override(config, overrides)


def load_space(name: str) -> dict[str, Range]:
    """Give what get_space() of a config file says to tune, by field; {} if it has none."""
    path = find(name)
    space = _run_file(path, lambda module: getattr(module, "get_space", dict)())
    if not isinstance(space, dict) or not all(isinstance(x, Range) for x in space.values()):
        raise InputError(
            f"get_space() of {path} gave {space!r}: return a dict from names of fields to Float, "
            "Int or Choice of jaxrec.space"
        )
    return space


def find(name: str) -> Path:
    """Find a config: a path, or a bare name in ./configs, then in the copy that jaxrec has."""
    if name.endswith(".py") or os.sep in name:
        path = Path(name)
        if path.is_file():
            return path
        raise InputError(f"the config {name} is not a file; give the path of one, or a bare name.")
    for folder in _folders():
        path = folder / f"{name}.py"
        if path.is_file():
            return path
    names = sorted({path.stem for folder in _folders() for path in folder.glob("*.py")})
    raise InputError(
        f"no config is named {name!r}{_nearest(name, names)} The names are {', '.join(names)}."
    )


def portable(name: str) -> str:
    """Name a config so that any folder finds it: a shipped one bare, another by its whole path."""
    path = find(name).resolve()
    shipped = any(path == folder.resolve() / path.name for folder in _folders()[1:])
    return path.stem if shipped else str(path)


def _folders() -> list[Path]:
    package = Path(jaxrec.__path__[0])
    return [Path("configs"), package / "configs", package.parent / "configs"]


def _run_file(path: Path, call: Callable[[Any], Any]) -> Any:
    module_spec = importlib.util.spec_from_file_location(path.stem, path)
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
        return call(module)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"the config {path} could not be run: {type(error).__name__}: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]


# Overrides ---------------------------------------------------------------------------------------


def override(config: C, arguments: Sequence[str]) -> C:
    """Replace fields by `--field.name value`; a name that is no field or a bad value is refused."""
    names = sorted(option_names(config))
    for argument in arguments:
        option = argument.split("=")[0].replace("_", "-")
        if option.startswith("--") and option not in (*names, "--help"):
            raise InputError(f"the config has no field {option}{_nearest(option, names)}")
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            changed = tyro.cli(
                type(config),
                default=config,
                args=list(arguments),
                prog="jaxrec",
                config=(tyro.conf.AvoidSubcommands,),
            )
    except SystemExit as stop:
        if stop.code:
            raise InputError(_sentence(printed.getvalue())) from None
        raise
    fields.check(changed)
    return changed


def option_names(config: Any) -> Iterator[str]:
    """List the options that `override` knows for this config."""
    for name, value in values_of(config).items():
        option = name.replace("_", "-")
        yield f"--{option}"
        if isinstance(value, bool):
            group, dot, last = option.rpartition(".")
            yield f"--{group}{dot}no-{last}"


def values_of(config: Any, prefix: str = "") -> dict[str, Any]:
    """Give the value of every field, at every depth, by its dotted name."""
    found: dict[str, Any] = {}
    for item in dataclasses.fields(config):
        value, name = getattr(config, item.name), prefix + item.name
        inner = dataclasses.is_dataclass(value)
        found |= values_of(value, f"{name}.") if inner else {name: value}
    return found


def assign(config: C, values: Mapping[str, Any]) -> C:
    """Replace fields by their dotted names, as in {"model.embed_dim": 64}."""
    check_names(config, values)
    changed = _replaced(config, values)
    fields.check(changed)
    return changed


def check_names(config: Any, names: Iterable[str]) -> None:
    """Refuse a dotted name that is no field of the config."""
    known = list(values_of(config))
    for name in names:
        if name not in known:
            raise InputError(f"the config has no field {name}{_nearest(name, known)}")


def _replaced(config: Any, values: Mapping[str, Any]) -> Any:
    """Replace all fields of a dataclass at once: its checks see no mixture of old and new."""
    inner: dict[str, dict[str, Any]] = {}
    changes: dict[str, Any] = {}
    for name, value in values.items():
        head, _, rest = name.partition(".")
        if rest:
            inner.setdefault(head, {})[rest] = value
        else:
            changes[head] = value
    changes |= {head: _replaced(getattr(config, head), part) for head, part in inner.items()}
    return dataclasses.replace(config, **changes)


def _nearest(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else "."


def _sentence(box: str) -> str:
    """Take the first paragraph below the title out of tyro's box, drawn in Unicode or in ASCII."""
    lines = [line.strip("│╰╯ ") for line in re.sub(r"\x1b\[[\d;]*m", "", box).splitlines()]
    body = " ".join(line if line.strip("─-") else "\n" for line in lines[1:])
    text = re.sub(r"^Error parsing (?!--)\S+: |^Error parsing ", "", body.strip())
    return text.split("\n")[0].strip() or "the overrides do not parse"


# JSON --------------------------------------------------------------------------------------------


def to_json(config: Any) -> Any:
    """Give the value as what JSON holds; a dataclass has its "module:Class" under "class"."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        kind = type(config)
        tag = f"{kind.__module__}:{kind.__qualname__}"
        if _resolve(tag) is not kind:
            raise InputError(f"{tag} cannot be imported again: move the class into a module")
        names = [item.name for item in dataclasses.fields(config)]
        return {"class": tag} | {name: to_json(getattr(config, name)) for name in names}
    if isinstance(config, tuple | list):
        return [to_json(value) for value in config]
    if isinstance(config, dict):
        return {str(key): to_json(value) for key, value in config.items()}
    if config is None or isinstance(config, bool | int | float | str):
        return config
    raise InputError(f"{config!r} cannot stand in a config: it is neither plain nor a dataclass")


def from_json(value: Any) -> Any:
    """Rebuild what `to_json` gave; fields that are not there take their defaults."""
    if isinstance(value, list):
        return tuple(from_json(element) for element in value)
    if not isinstance(value, dict):
        return value
    if "class" not in value:
        return {key: from_json(element) for key, element in value.items()}
    kind = _resolve(value["class"])
    known = {item.name for item in dataclasses.fields(kind)}
    unknown = sorted(set(value) - known - {"class"})
    if unknown:
        raise InputError(f"{value['class']} has no field {unknown[0]!r}: another jaxrec wrote it")
    try:
        built = kind(**{name: from_json(value[name]) for name in known & set(value)})
    except TypeError as error:
        raise InputError(
            f"{value['class']} cannot be built from its saved fields: {error}"
        ) from None
    fields.check(built)
    return built


def _resolve(tag: Any) -> Any:
    if not isinstance(tag, str) or not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", tag):
        raise InputError(f"{tag!r} does not name a class of a config as module:Class")
    module_name, name = tag.split(":")
    try:
        kind = vars(importlib.import_module(module_name)).get(name)
    except ImportError:
        raise InputError(f"the config needs {tag}, whose module cannot be imported here") from None
    if (
        not isinstance(kind, type)
        or not dataclasses.is_dataclass(kind)
        or not vars(kind)["__dataclass_params__"].frozen
        or kind.__module__ != module_name
    ):
        raise InputError(f"{tag} is not a frozen dataclass, so it cannot stand in a config")
    return kind


def read(path: Path) -> Config:
    """Read the config.json of a run."""
    if not path.exists():
        raise InputError(f"{path.parent} holds no run: train one there with jaxrec train.")
    config = from_json(read_json(path))
    if not isinstance(config, Config):
        raise InputError(f"{path} does not hold the config of a jaxrec run.")
    return config
