"""The far end of benchmarks/throughput.py: does a work each time it is told. Needs only NumPy.

A line of standard input asks for the work once, and is answered by its seconds; when the input
ends, the answers of the last time (lists of items, or predictions) are written for the judge.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Once = Callable[[], Any]
Answers = Callable[[Any], dict[str, np.ndarray]]
Make = Callable[[dict[str, np.ndarray], dict[str, Any]], tuple[Once, Answers]]


def serve(once: Once, answers: Answers, out: Path, version: str) -> None:
    """Answer until the input ends; what the work prints goes to standard error."""
    line = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print(json.dumps({"version": version}), file=line)
    result = None
    for _ in sys.stdin:
        began = time.perf_counter()
        result = once()
        print(time.perf_counter() - began, file=line)
    np.savez(out, **answers(result))


def main(makers: dict[str, Make], version: str) -> None:
    """Serve one of a peer's works: KIND DATA.npz OUT.npz PARAMS."""
    kind, data, out, params = sys.argv[1:]
    with np.load(data) as arrays:
        once, answers = makers[kind](dict(arrays), json.loads(params))
    serve(once, answers, Path(out), version)
