"""The house rules that a machine can hold: imports, lengths, docstrings."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "jaxrec"

LAYERS = (
    ("typing", "errors"),
    (
        "data",
        "negatives",
        "masking",
        "losses",
        "optimizer",
        "embedding",
        "sharding",
        "tracking",
        "workdir",
        "figures",
        "markup",
        "fields",
    ),
    (
        "metrics",
        "space",
        "performance",
        "contrast",
        "augmentation",
    ),  # metrics asks about events, so above data
    ("encoders", "objectives"),
    ("similarity",),
    ("learned_similarity",),
    (
        "models",
        "baselines",
        "regularisation",
        "views",
        "margins",
        "alignment",
        "constraints",
        "reconstruction",
    ),
    ("train_state", "retrieval"),
    ("train_step", "evaluate", "checkpoint"),
    ("config", "profile"),
    ("run",),
    ("train", "recommend", "export", "trials"),
    ("repeat", "tune", "exposure", "compare"),
    ("report", "serving"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""Modules and packages of jaxrec, lowest first; one imports only from the rows above it."""

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
HEAVY = {"tensorflow", "torch", "clu", "ml_collections"}
SOURCES = sorted(PACKAGE.rglob("*.py"))
EVERYTHING = SOURCES + sorted(
    path
    for folder in ("configs", "scripts", "tests", "benchmarks", "docs")
    for path in (ROOT / folder).rglob("*.py")
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(path: Path) -> set[str]:
    """Every module that the file imports, inside functions too, as a dotted name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def module_of(path: Path) -> str:
    """The module or package of jaxrec that the file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_imports_only_from_lower_layers(path):
    own = module_of(path)
    if own == "__init__":
        return
    assert own in LEVEL, f"give {own} a row in LAYERS"
    for imported in imports_of(path):
        top, *inner = imported.split(".")
        if top == "jaxrec" and inner and inner[0] in LEVEL and inner[0] != own:
            assert LEVEL[inner[0]] < LEVEL[own], (
                f"{own} imports {imported} from its own layer or above"
            )


@pytest.mark.parametrize("path", EVERYTHING, ids=name_of)
def test_no_file_is_over_400_lines_or_imports_another_framework(path):
    assert len(path.read_text().splitlines()) <= 400
    if not path.name.endswith("_peer.py"):  # peers run in environments of their own
        assert not {imported.split(".")[0] for imported in imports_of(path)} & HEAVY


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name == "__init__.py"], ids=name_of)
def test_package_files_are_empty(path):
    assert path.read_text() == ""


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name != "__init__.py"], ids=name_of)
def test_public_names_are_documented_and_functions_short(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the module says what it is in one sentence"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= 80, f"{node.name} has {length} lines"


def test_no_two_packages_import_each_other_in_a_circle():
    """Within a layer only a package's own files import each other; there, too, without a circle."""
    edges = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): imports_of(path)
        for path in SOURCES
        if path.name != "__init__.py"
    }
    below = {
        name: {
            other
            for imported in imports
            for other in (imported, imported.rpartition(".")[0])
            if other in edges and other != name
        }
        for name, imports in edges.items()
    }
    while below:
        ready = {name for name, needs in below.items() if not needs & below.keys()}
        assert ready, f"these import each other in a circle: {sorted(below)}"
        below = {name: needs for name, needs in below.items() if name not in ready}
