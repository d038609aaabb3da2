"""Every example of the README and of docs/ runs, in the order of its page."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxrec.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the pages name, from which modules are imported."""
    rng = np.random.default_rng(0)
    users, items = 40, 30
    # Nothing is there to be learnt, so that training soon stops.
    events = [
        (f"u{user}", f"i{item}", rng.integers(1, 6), f"2024-{1 + n // 28:02}-{1 + n % 28:02}")
        for user in range(users)
        for n, item in enumerate(rng.permutation(items)[:12])
    ]
    frame = pd.DataFrame(events, columns=["user", "item", "rating", "time"])
    frame.to_csv(tmp_path / "behaviour.csv", index=False)
    last = frame.groupby("user").cumcount(ascending=False)
    parts = {"train": last > 1, "validation": last == 1, "test": last == 0}
    for name, chosen in parts.items():
        frame[chosen].to_csv(tmp_path / f"{name}.csv", index=False)
    table = {
        "item": [f"i{item}" for item in range(items)],
        "year": 1970 + np.arange(items),
        "genre": ["drama", "comedy", "noir"] * (items // 3),
    }
    pd.DataFrame(table).to_csv(tmp_path / "items.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_examples_of_a_page_run(page, folder):
    names: dict[str, object] = {}
    blocks = list(BLOCK.finditer(page.read_text()))
    assert blocks
    for language, name, text in (block.groups() for block in blocks):
        if name:
            (folder / name).write_text(text)
        elif language == "python":
            exec(compile(text, page.name, "exec"), names)
        elif language == "sh":
            run(text)
        else:
            assert language == "text", f"{page.name} has a block of {language}, which nothing runs"


def test_the_links_of_the_pages_lead_somewhere():
    for page in [ROOT / "CONTRIBUTING.md", *PAGES]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    for page in PAGES[1:]:
        assert f"docs/{page.name}" in readme


def run(commands: str) -> None:
    """Run the jaxrec commands of a shell block in this process."""
    for line in commands.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:3] == ["python", "-m", "jaxrec"]:
            words = words[2:]
        if words:
            assert words[0] == "jaxrec", f"{line!r} is no jaxrec command"
            assert main(words[1:]) == 0, line
