"""The two sides of a work, each a process of its own that waits to be told."""

import contextlib
import dataclasses
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from benchmarks.rows import ROOT
from jaxrec.errors import InputError

CORES = 2
ENVIRONMENT = {"implicit": {"OPENBLAS_NUM_THREADS": "1"}}
"""implicit has threads of its own, and asks for BLAS to have one."""


def pin() -> None:
    """Keep this process and those that it starts to two cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


@dataclasses.dataclass(frozen=True)
class Side:
    """A worker that waits to be told."""

    told: IO[str]
    says: IO[str]
    version: str

    def once(self) -> dict[str, float]:
        """Have the work done once; return its seconds, and what else it tells."""
        return self._ask("go")

    def profile(self) -> Any:
        """Have the work done once more, and say where the time goes; None if it cannot."""
        return self._ask("profile")

    def _ask(self, line: str) -> Any:
        print(line, file=self.told, flush=True)
        return json.loads(_line(self.says))


@contextlib.contextmanager
def worker(command: list[str], peer: str = "") -> Iterator[Side]:
    """Start one side; at the end it writes its answers, and is waited for."""
    environment = {**os.environ, **ENVIRONMENT.get(peer, {})}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        version = json.loads(_line(process.stdout))["version"]
        yield Side(process.stdin, process.stdout, version)
        process.stdin.close()
    if process.returncode:
        raise InputError(f"{command[1]} ended with exit code {process.returncode}, see above")


def _line(says: IO[str]) -> str:
    line = says.readline()
    if not line:
        raise InputError("a worker ended early, see above")
    return line


def usable() -> int:
    """Count the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine(cores: int, used: int = CORES) -> str:
    """Name the processor, as Linux does where it does, and how much of it is used."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {used} of {cores} cores"
