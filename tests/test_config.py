"""Configs: found, overridden, refused with one sentence, and the same again after JSON."""

import ast
import dataclasses
import inspect
import itertools
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxrec import config as configs
from jaxrec.config import Config, find, from_json, load_config, option_names, override, to_json
from jaxrec.errors import InputError

NAMES = sorted(path.stem for path in (Path(__file__).parents[1] / "configs").glob("*.py"))


@dataclass(frozen=True)
class Inner:
    """A part of a config."""

    width: int = 4
    """Units."""
    rate: float = 0.1
    """Per step."""
    kind: Literal["a", "b"] = "a"
    """Which."""
    bias: bool = True
    """Whether there is one."""

    def __post_init__(self):
        if self.width < 1:
            raise InputError(f"width is {self.width}; give a whole number of at least 1")


@dataclass(frozen=True)
class Outer:
    """A config."""

    inner: Any = Inner()
    """A part."""
    names: tuple[str, ...] = ("x",)
    """Some."""
    pair: tuple[int, float] = (1, 2.0)
    """Two."""
    weights: dict[str, float] = field(default_factory=dict)
    """By name."""
    user_column: str | None = None
    """Or none."""


@dataclass
class Thawed:
    """Not frozen, so no config."""

    width: int = 4


def test_overrides_reach_any_depth():
    changed = override(
        Outer(),
        ["--inner.width", "8", "--inner.kind=b", "--inner.no-bias", "--names", "p", "q"]
        + ["--user-column", "who", "--weights", "buy", "3", "--pair", "4", "5"],
    )
    assert changed == Outer(
        Inner(8, kind="b", bias=False), ("p", "q"), (4, 5.0), {"buy": 3.0}, "who"
    )


def test_underscores_are_dashes():
    assert override(Outer(), ["--user_column", "who"]).user_column == "who"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--inner.widht", "8"], "no field --inner.widht; did you mean --inner.width?"),
        (["--iner.width=8"], "did you mean --inner.width?"),
        (["--qqqqqqqqqqq", "8"], "no field --qqqqqqqqqqq"),
        (["--inner.width", "wide"], "wide"),
        (["--inner.width", "2.5"], "2.5"),
        (["--inner.width"], "--inner.width"),
        (["--inner.kind", "c"], "'c'"),
        (["--inner.width", "-3"], "width is -3; give a whole number of at least 1"),
        (["stray"], "stray"),
    ],
)
def test_a_bad_override_is_refused_in_one_sentence(arguments, message):
    with pytest.raises(InputError) as refused:
        override(Outer(), arguments)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "─" not in str(refused.value)


plain = st.text(max_size=5)


@given(
    st.integers(1, 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(plain, max_size=3),
    st.dictionaries(plain.filter(lambda name: name != "class"), st.floats(0, 1), max_size=3),
    st.none() | plain,
)
def test_json_gives_the_same_config_again(width, rate, names, weights, column):
    config = Outer(Inner(width, rate), tuple(names), weights=weights, user_column=column)
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_json_names_the_class_and_keeps_integers():
    saved = to_json(Inner())
    assert saved["class"] == f"{__name__}:Inner"
    assert saved["width"] == 4
    assert not isinstance(saved["width"], float)


def test_a_field_that_is_not_saved_takes_its_default():
    saved = to_json(Outer())
    del saved["names"], saved["inner"]["rate"]
    assert from_json(saved) == Outer()


@pytest.mark.parametrize(
    "tag",
    [
        "os:system",
        "subprocess:Popen",
        "builtins:eval",
        "no_such_module:Config",
        "jaxrec.config:load_config",
        "jaxrec.config:Any",
        "jaxrec.config:Nothing",
        "jaxrec.config",
        "jaxrec.config:Config.__init__",
        "../evil:Config",
        f"{__name__}:Thawed",
        3,
        None,
    ],
)
def test_a_tag_that_is_no_frozen_dataclass_is_refused(tag):
    with pytest.raises(InputError):
        from_json({"class": tag, "width": 4})


@pytest.mark.parametrize(
    "change", [{"widht": 4}, {"width": "wide"}, {"width": -1}, {"width": [1]}, {"rate": None}]
)
def test_a_damaged_field_is_refused(change):
    with pytest.raises(InputError):
        from_json(to_json(Inner()) | change)


def test_what_cannot_be_read_again_is_not_saved():
    @dataclass(frozen=True)
    class Local:
        width: int = 4

    with pytest.raises(InputError, match=r"move the class into a module|module:Class"):
        to_json(Outer(inner=Local()))
    with pytest.raises(InputError, match="cannot stand in a config"):
        to_json(Outer(inner=math))


@pytest.mark.parametrize("name", NAMES)
def test_every_config_loads_and_returns_from_json(name):
    config = load_config(name)
    assert from_json(json.loads(json.dumps(to_json(config)))) == config
    for each in [config.data, config.model, config.protocol, config.train, config.optimizer]:
        assert dataclasses.is_dataclass(each)
    assert "--model." in "".join(option_names(config))


@pytest.mark.parametrize("name", NAMES)
def test_every_config_opens_with_command_time_and_metric(name):
    text = find(name).read_text()
    docstring = text.split('"""')[1]
    assert f"jaxrec train {name}" in docstring
    for word in ("Time:", "Expected:", "Paper:"):
        assert word in docstring


def _fields_without_docstring(kind):
    body = ast.parse(inspect.getsource(kind)).body[0].body
    for statement, after in itertools.zip_longest(body, body[1:]):
        is_field = isinstance(statement, ast.AnnAssign) and "ClassVar" not in ast.unparse(statement)
        has_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if is_field and not has_text:
            yield f"{kind.__name__}.{ast.unparse(statement.target)}"


def _dataclasses_in(config):
    yield from (kind for kind in type(config).__mro__ if dataclasses.is_dataclass(kind))
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value):
            yield from _dataclasses_in(value)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_a_config_has_a_docstring(name):
    kinds = set(_dataclasses_in(load_config(name)))
    assert [field for kind in kinds for field in _fields_without_docstring(kind)] == []


def test_a_config_is_found_by_path_here_and_beside_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    installed = find("ml100k_popularity")
    assert installed.is_absolute()
    (tmp_path / "configs").mkdir()
    mine = tmp_path / "configs" / "ml100k_popularity.py"
    mine.write_text(installed.read_text())
    assert find("ml100k_popularity") == Path("configs/ml100k_popularity.py")
    assert find(str(mine)) == mine
    assert isinstance(load_config(str(mine)), Config)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ml100k_sasrek", "did you mean ml100k_sasrec"),
        ("nowhere/config.py", "not a file"),
        ("nothing", "ml100k_sasrec"),
    ],
)
def test_an_unknown_config_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        find(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def get_config(:", "SyntaxError"),
        ("x = 1", "get_config"),
        ("def get_config():\n    return 3", "gave a int"),
        ("def get_config():\n    return 1 / 0", "ZeroDivisionError"),
        ("import nowhere_at_all", "nowhere_at_all"),
    ],
)
def test_a_broken_config_file_is_named(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        load_config(str(path))
    assert "mine.py" in str(refused.value)


def test_assign_reaches_any_depth_at_once():
    changed = configs.assign(Outer(), {"inner.width": 8, "user_column": "who", "inner.kind": "b"})
    assert changed == Outer(Inner(8, kind="b"), user_column="who")
    for name, words in (
        ("inner.widht", "did you mean inner.width"),
        ("inner", "no field inner"),
        ("inner.width.more", "no field"),
    ):
        with pytest.raises(InputError, match=words):
            configs.assign(Outer(), {name: 1})
    with pytest.raises(InputError, match="width is 0"):
        configs.assign(Outer(), {"inner.width": 0})
    with pytest.raises(InputError, match="not of type"):
        configs.assign(Outer(), {"inner.width": 1.5})


@pytest.mark.parametrize("name", NAMES)
def test_the_space_of_a_config_is_of_its_fields(name):
    space = configs.load_space(name)
    for field_name, span in space.items():
        for value in span.ends:
            assert configs.assign(load_config(name), {field_name: value})


def test_a_space_is_of_ranges(tmp_path):
    text = (Path(__file__).parents[1] / "configs" / "ml100k_popularity.py").read_text()
    before, _, after = text.partition('{"model.half_life_days"')
    for wrong in ('{"model.half_life_days": (1, 9)}', "[]"):
        path = tmp_path / "wrong.py"
        path.write_text(before + wrong + after[after.index("}") + 1 :])
        with pytest.raises(InputError, match="Float, Int or Choice"):
            configs.load_space(str(path))


def test_a_config_is_named_so_that_any_folder_finds_it(tmp_path, monkeypatch):
    shipped = Path(__file__).parents[1] / "configs" / "ml100k_mf.py"
    assert configs.portable("ml100k_mf") == configs.portable(str(shipped)) == "ml100k_mf"
    (tmp_path / "configs").mkdir()
    own = tmp_path / "configs" / "ml100k_mf.py"
    own.write_text(shipped.read_text())
    monkeypatch.chdir(tmp_path)
    assert configs.portable("ml100k_mf") == str(own)


def test_reading_no_run_or_a_damaged_one_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        configs.read(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        configs.read(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="does not hold"):
        configs.read(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("box", "sentence"),
    [
        ("╭─ Value error ─╮\n│ Error parsing a: it │\n│ wraps  │\n│ ──── │\n│ x │\n", "it wraps"),
        (
            " Value error \n ------ \n  Error parsing --a: it \n  wraps\n  -----\n x \n",
            "--a: it wraps",
        ),
        (
            "╭─ Bad ─╮\n\x1b[31m│\x1b[0m \x1b[1mbad\x1b[0m value \x1b[31m│\x1b[0m\n╰──╯\n",
            "bad value",
        ),
        ("", "the overrides do not parse"),
    ],
)
def test_tyros_box_is_read_in_unicode_ascii_and_colour(box, sentence):
    assert configs._sentence(box) == sentence
