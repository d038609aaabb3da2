"""Opening the files of a source: whether they are there, whole and text; their fingerprints."""

import contextlib
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from jaxrec.errors import InputError

BLOCK = 8 << 20  # bytes that are decoded at a time
GZIP = b"\x1f\x8b"
BINARY = {
    b"PAR1": "a Parquet file; give --data.format parquet",
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack or export it first",
    b"%PDF": "a PDF file, not data",
    b"\x89PNG": "a picture, not data",
    b"\xff\xfe": "text in UTF-16; save it as UTF-8",
    b"\xfe\xff": "text in UTF-16; save it as UTF-8",
}
"""First bytes of files that are no text, and what to do about them."""
CONTROL = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1b")
"""Bytes that text does not hold."""


def a_file(path: str | Path) -> Path:
    """Return the path if a file is there."""
    path = Path(path)
    with readable(path):
        if path.is_dir():
            raise InputError(f"{path} is a folder where a file is expected; name the file in it")
        if not path.exists():
            raise InputError(f"there is no file {path}; check the path")
    return path


def a_folder(path: str | Path) -> Path:
    """Return the path if a folder is there."""
    path = Path(path)
    with readable(path):
        if not path.exists():
            raise InputError(f"there is no folder {path}; check the path")
        if not path.is_dir():
            raise InputError(f"{path} is a file where a folder is expected; name its folder")
    return path


def find(folder: Path, name: str) -> Path | None:
    """Return folder/name or folder/name.gz, whichever is there."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what a torn, damaged or forbidden file raises into one sentence."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is a torn or damaged .gz file; fetch it again") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        if isinstance(error, InputError) or "null" not in str(error):
            raise
        raise InputError(f"{str(path)!r} is not a path; check it") from error


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Open for reading; what is compressed by gzip is unpacked, whatever its name."""
    with readable(path):
        with open(path, "rb") as file:
            packed = file.read(len(GZIP)) == GZIP
        return gzip.open(path, "rb") if packed else open(path, "rb")


def head(path: str | Path, size: int = 1 << 16) -> str:
    """Return the beginning of a text file; what is empty or no text is refused."""
    path = a_file(path)
    with readable(path), open_bytes(path) as file:
        start = file.read(size)
    for magic, what in BINARY.items():
        if start.startswith(magic):
            raise InputError(f"{path} is {what}")
    if not start.strip():
        raise InputError(f"{path} is empty; give a file with events")
    if not CONTROL.isdisjoint(start):
        raise InputError(f"{path} is a binary file, not text; check the path and --data.format")
    return start.decode("utf-8-sig", errors="replace")


def lines(path: str | Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Yield each line's number, from 1, and its text without the end of line."""
    head(path)
    path, number, rest = Path(path), 0, b""
    with readable(path), open_bytes(path) as file:
        while block := file.read(BLOCK):
            whole, newline, rest = (rest + block).rpartition(b"\n")
            if newline:
                yield from enumerate(_decoded(path, whole, number, encoding), start=number + 1)
                number += whole.count(b"\n") + 1
        if rest:
            yield from enumerate(_decoded(path, rest, number, encoding), start=number + 1)


def _decoded(path: Path, block: bytes, before: int, encoding: str) -> Iterator[str]:
    """Cut a block of whole lines, of which so many lines stand before."""
    try:
        text = block.decode(encoding)
    except UnicodeDecodeError as error:
        line = before + block[: error.start].count(b"\n") + 1
        raise not_utf8(path, line) from error
    if "\0" in text:
        line = before + text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{path} is a binary file, not text: line {line} holds a NUL")
    text = text if before else text.removeprefix("\ufeff")
    for line_text in text.split("\n"):
        yield line_text.rstrip("\r")


def text(path: Path) -> io.TextIOWrapper:
    """Open as text, newlines as they are and bytes that are not UTF-8 escaped, for csv.reader."""
    file = cast(BinaryIO, open_bytes(path))
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def not_utf8(path: Path, line: int) -> InputError:
    """The sentence about text in another encoding."""
    return InputError(f"{path} is not UTF-8 in line {line}; save it in that encoding")


def digests(*paths: Path | None) -> dict[str, str]:
    """Return the SHA-256 of each file that is there, by name, or folder/name where two agree."""
    found: dict[str, str] = {}
    for path in paths:
        if path is not None:
            with readable(path), open(path, "rb") as file:
                name = path.name if path.name not in found else f"{path.parent.name}/{path.name}"
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
