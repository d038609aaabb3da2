"""Fetching MovieLens-100K: from GroupLens, or from a wheel where only a package index answers."""

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from jaxrec.errors import InputError

OFFICIAL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
WHEEL = "recbole==1.2.1"
WHEEL_FOLDER = "recbole/dataset_example/ml-100k/"
CONNECT_TIMEOUT = 5  # seconds
PIP_TIMEOUT = 300  # seconds, all in all

OFFICIAL_FILES = {
    "u.item": "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701",
    "u.user": "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c",
    "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
}
WHEEL_FILES = {
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
}
"""SHA-256 of each file; the events come last, so that a folder that has them has the others."""


def fetch_ml_100k(folder: Path, say: Callable[[str], None]) -> None:
    """Fill the folder from the first place that answers; processes may do so at the same time."""
    say(f"fetching MovieLens-100K from {OFFICIAL}")
    try:
        contents = _members(_download(), "ml-100k/", OFFICIAL_FILES)
    except (OSError, ValueError, zipfile.BadZipFile) as first:
        say(f"that failed ({first}); fetching the copy in the package {WHEEL}")
        try:
            contents = _members(_wheel(), WHEEL_FOLDER, WHEEL_FILES)
        except (OSError, ValueError, zipfile.BadZipFile, subprocess.SubprocessError) as second:
            raise InputError(
                f"MovieLens-100K can be fetched neither from GroupLens ({first}) nor with pip "
                f"({second}); unpack {OFFICIAL} into {folder.parent}, or set JAXREC_DATA to the "
                "folder that holds ml-100k"
            ) from second
    try:
        _store(folder, contents)
    except OSError as error:
        raise InputError(
            f"MovieLens-100K cannot be kept in {folder} ({error.strerror}); set XDG_CACHE_HOME to "
            "a folder that can be written"
        ) from error


def _download() -> bytes:
    with urllib.request.urlopen(OFFICIAL, timeout=CONNECT_TIMEOUT) as answer:
        return answer.read()


def _wheel() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--quiet",
            "--retries",
            "1",
        ]
        command += ["--timeout", "15", "--disable-pip-version-check", WHEEL, "-d", folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            said = (done.stderr or done.stdout).strip().splitlines() or ["pip gave no wheel"]
            raise ValueError(said[-1][:200])
        return wheels[0].read_bytes()


def _members(archive: bytes, prefix: str, wanted: dict[str, str]) -> dict[str, bytes]:
    """Take the wanted files out of an archive, each checked by its digest."""
    contents = {}
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for name, digest in wanted.items():
            try:
                contents[name] = opened.read(prefix + name)
            except KeyError:
                raise ValueError(f"the archive holds no {name}") from None
            if hashlib.sha256(contents[name]).hexdigest() != digest:
                raise ValueError(f"the SHA-256 of {name} is not the known one")
    return contents


def _store(folder: Path, contents: dict[str, bytes]) -> None:
    """Write each file under a temporary name, then rename it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, folder / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
