"""Folders of train.txt and test.txt as NGCF and LightGCN use, a user a line: "user item item …"."""

from pathlib import Path

from jaxrec.data.interactions import Dataset
from jaxrec.data.sources import files
from jaxrec.data.sources.events import Columns, Files, join
from jaxrec.data.sources.sequences import read_lists
from jaxrec.errors import InputError

NAMES = {
    "train": ("train.txt",),
    "validation": ("valid.txt", "validation.txt", "val.txt"),
    "test": ("test.txt",),
}
"""What the file of each part is called; the first that is there is read."""


def read(source: Files, columns: Columns | None = None) -> Dataset:
    """Read the given split; a user's items have no order but the file's."""
    paths = parts(Path(source.path)) if source.train is None and source.path else source.parts()
    raw = {part: read_lists(files.a_file(path)) for part, path in paths.items()}
    interactions, notes = join(raw, "row")
    name = Path(source.path).name if source.path else paths["train"].parent.name
    return Dataset(name, interactions, sha256=files.digests(*paths.values()), notes=notes)


def parts(folder: Path) -> dict[str, Path]:
    """Find the files of the parts; train and test must be there."""
    files.a_folder(folder)
    found = {
        part: path
        for part, names in NAMES.items()
        if (path := next(filter(None, (files.find(folder, name) for name in names)), None))
    }
    for part in ("train", "test"):
        if part not in found:
            raise InputError(f"{folder} holds no {part}.txt; the lightgcn format needs it")
    return found
