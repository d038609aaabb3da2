"""The folder of a run: one process at a time, files whole or absent, where numbers come from."""

import contextlib
import fcntl
import functools
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrec.errors import InputError

PACKAGES = ("jaxrec", "jax", "flax", "optax", "orbax-checkpoint", "numpy", "pandas")


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Hold the folder for this process; the lock goes with the process, however it ends."""
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        lock = (workdir / ".lock").open("a")
    except OSError as error:
        raise InputError(
            f"The workdir {workdir} cannot be written ({error.strerror}); give another --workdir."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"Another process is at work in {workdir}; wait for it or give another --workdir."
            ) from error
        _commit()  # what is checked out now, whatever is when the run ends
        yield


def write_json(path: Path, value: Any) -> None:
    """Write as `write_text` does."""
    write_text(path, json.dumps(value, indent=2, allow_nan=True) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write whole or not at all: to a temporary name, to the disk, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Read an object; a damaged file is an InputError that names it."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); train into a fresh --workdir."
        ) from error
    if not isinstance(value, dict):
        raise InputError(f"{path} does not hold a JSON object; train into a fresh --workdir.")
    return value


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz whole or not at all."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    np.savez_compressed(temporary, allow_pickle=False, **arrays)
    temporary.replace(path)


def provenance() -> dict[str, Any]:
    """Tell the code, the libraries and the machine that a number comes from."""
    devices = jax.devices()
    return {
        "commit": _commit(),
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "device": f"{len(devices)} × {devices[0].device_kind} ({devices[0].platform})",
        "cores": os.cpu_count(),
    }


@functools.cache
def _commit() -> str | None:
    """The commit of the checkout that jaxrec runs from, + if it has changes; None in a wheel."""
    here = Path(__file__).parent
    git = (
        "git",
        "-C",
        str(here),
        "describe",
        "--always",
        "--abbrev=12",
        "--dirty=+",
        "--exclude=*",
    )
    if not (here.parent / ".git").exists():
        return None
    try:
        done = subprocess.run(git, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
