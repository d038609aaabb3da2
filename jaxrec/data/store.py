"""Saving what was prepared, so that a run goes on and answers without its source."""

import dataclasses
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from jaxrec.data.cleaning import CleaningStep
from jaxrec.data.features import Encoding
from jaxrec.data.interactions import COLUMNS, Dataset, Interactions, Vocabulary
from jaxrec.data.normalisation import Normalisation, Scale
from jaxrec.data.prepare import Prepared
from jaxrec.data.splits import Split
from jaxrec.errors import InputError
from jaxrec.typing import FeatureSpec

PARTS = tuple(part.name for part in dataclasses.fields(Split))
TEXTS = ("name", "title", "sha256", "licence", "notes")


def save(prepared: Prepared, directory: str | Path) -> None:
    """Write a folder, whole or not at all; one that stands there is replaced."""
    directory = Path(directory)
    temporary = directory.with_name(f".{directory.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        _write(prepared, temporary)
        if directory.exists():
            old = directory.with_name(f".{directory.name}.{os.getpid()}.old")
            directory.rename(old)
            temporary.rename(directory)
            shutil.rmtree(old)
        else:
            temporary.rename(directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load(directory: str | Path) -> Prepared:
    """Read what `save` wrote."""
    directory = Path(directory)
    if not directory.is_dir():
        raise InputError(f"there is no saved data in {directory}; train a run there first")
    try:
        return _read(directory)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        zipfile.BadZipFile,
        pa.ArrowException,
    ) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"the saved data in {directory} is damaged ({type(error).__name__}); train the run anew"
        ) from error


def _write(prepared: Prepared, folder: Path) -> None:
    dataset, interactions = prepared.dataset, prepared.dataset.interactions
    arrays = {name: getattr(interactions, name) for name in COLUMNS}
    for name in PARTS:
        part = getattr(prepared.split, name)
        if part is not None:
            arrays[f"part.{name}"] = _places(interactions, part, prepared.scale)
    if prepared.scale is not None:
        arrays |= {"scale.offset": prepared.scale.offset, "scale.width": prepared.scale.width}
    arrays["candidates"] = dataset.candidates
    for kind in ("user", "item"):
        features = getattr(prepared, f"{kind}_features")
        arrays |= {f"{kind}_feature.{name}": x for name, x in features.items()}
        arrays[f"{kind}_ids"] = getattr(interactions, f"{kind}s").ids
        table = getattr(dataset, f"{kind}_table")
        if table is not None:
            _write_table(table, folder / f"{kind}_table.parquet")
    np.savez(folder / "arrays.npz", **{k: x for k, x in arrays.items() if x is not None})
    texts = {name: getattr(dataset, name) for name in TEXTS}
    texts |= {"event_names": interactions.event_names, "order": interactions.order}
    texts["normalisation"] = prepared.scale and dataclasses.asdict(prepared.scale.config)
    for name in ("user_specs", "item_specs", "cleaning", "user_encodings", "item_encodings"):
        texts[name] = [dataclasses.asdict(x) for x in getattr(prepared, name)]
    (folder / "data.json").write_text(json.dumps(texts, indent=1))


def _places(whole: Interactions, part: Interactions, scale: Scale | None) -> np.ndarray:
    """Return where the part's events stand in the whole; rows name events, both are in order."""
    places = np.flatnonzero(np.isin(whole.row, part.row))
    taken = _scaled(whole.take(places), scale)
    if not all(
        np.array_equal(getattr(taken, name), getattr(part, name))
        for name in ("row", "user", "item", "value", "timestamp")
    ):
        raise ValueError("a part of the split holds events that are not the data set's")
    return places.astype(np.int32 if len(whole) < 2**31 else np.int64)


def _scaled(part: Interactions, scale: Scale | None) -> Interactions:
    return part if scale is None or scale.config.kind == "none" else scale.apply(part)


def _read(folder: Path) -> Prepared:
    texts = json.loads((folder / "data.json").read_text())
    with open(folder / "arrays.npz", "rb") as file, np.load(file, allow_pickle=False) as saved:
        arrays = {name: saved[name] for name in saved.files}
    columns: dict[str, Any] = {name: arrays.get(name) for name in COLUMNS}
    interactions = Interactions(
        Vocabulary(arrays["user_ids"]),
        Vocabulary(arrays["item_ids"]),
        **columns,
        event_names=tuple(texts["event_names"]),
        order=texts["order"],
    )
    scale = None
    if texts["normalisation"] is not None:
        normalisation = Normalisation(**texts["normalisation"])
        scale = Scale(normalisation, arrays["scale.offset"], arrays["scale.width"])
    parts: dict[str, Any] = {}
    for name in PARTS:
        places = arrays.get(f"part.{name}")
        parts[name] = None if places is None else _scaled(interactions.take(places), scale)
    tables: dict[str, Any] = {name: texts[name] for name in TEXTS} | {
        "notes": tuple(texts["notes"])
    }
    described: dict[str, Any] = {}
    for kind in ("user", "item"):
        tables[f"{kind}_table"] = _read_table(folder / f"{kind}_table.parquet")
        described[f"{kind}_features"] = _features(arrays, f"{kind}_feature.")
        described[f"{kind}_specs"] = tuple(FeatureSpec(**x) for x in texts[f"{kind}_specs"])
        described[f"{kind}_encodings"] = tuple(_encoding(x) for x in texts[f"{kind}_encodings"])
    return Prepared(
        Dataset(interactions=interactions, candidates=arrays.get("candidates"), **tables),
        Split(**parts),
        cleaning=[CleaningStep(**step) for step in texts["cleaning"]],
        scale=scale,
        **described,
    )


def _write_table(table: pd.DataFrame, path: Path) -> None:
    """Write as Parquet; cells that are Python objects (lists, gaps, mixtures) stand in JSON."""
    written = table.rename(columns=str)
    objects = [name for name, kind in written.dtypes.items() if kind == np.dtype(object)]
    for name in objects:
        cells = [json.dumps(cell, default=_plain) for cell in written[name]]
        written[name] = pd.Series(cells, dtype=str, index=table.index)
    written.attrs = {"objects": objects}
    written.to_parquet(path)


def _plain(cell: Any) -> Any:
    return cell.tolist() if isinstance(cell, np.ndarray | np.generic) else str(cell)


def _read_table(path: Path) -> pd.DataFrame | None:
    if not path.exists():
        return None
    table = pd.read_parquet(path)
    for name in table.attrs.pop("objects"):
        cells = [json.loads(cell) for cell in table[name]]
        table[name] = pd.Series(cells, dtype=object, index=table.index)
    return table


def _features(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): x for k, x in arrays.items() if k.startswith(prefix)}


def _encoding(saved: dict[str, Any]) -> Encoding:
    spec, vocabulary = FeatureSpec(**saved.pop("spec")), tuple(saved.pop("vocabulary"))
    return Encoding(spec, vocabulary, **saved)
