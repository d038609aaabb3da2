"""The far end of benchmarks/throughput.py: does a work each time it is told. Needs only NumPy.

A line of standard input, "go" or "profile", asks for the work once, and is answered by a line of
JSON: its seconds and other figures, or where its time goes. When the input ends, the answers of the
last time (lists of items, or predictions) are written for the judge.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Once = Callable[[], Any]
Answers = Callable[[Any], dict[str, np.ndarray]]
Make = Callable[[dict[str, np.ndarray], dict[str, Any]], tuple[Once, Answers]]


class Told(NamedTuple):
    """What a work returns that tells its figures itself: "seconds", if not all of it is counted."""

    result: Any
    figures: dict[str, Any]


def serve(
    once: Once,
    answers: Answers,
    out: Path,
    version: str,
    profile: Callable[[Once], Any] = lambda once: None,
) -> None:
    """Answer until the input ends; what the work prints goes to standard error."""
    with os.fdopen(os.dup(1), "w", buffering=1) as line:
        os.dup2(2, 1)
        print(json.dumps({"version": version}), file=line)
        result = None
        for asked in sys.stdin:
            if asked.strip() == "profile":
                print(json.dumps(profile(once)), file=line)
                continue
            began = time.perf_counter()
            result = once()
            figures: dict[str, Any] = {"seconds": time.perf_counter() - began}
            if isinstance(result, Told):
                result, told = result
                figures |= told
            print(json.dumps(figures), file=line)
    np.savez(out, **answers(result))


def main(makers: dict[str, Make], version: str) -> None:
    """Serve one of a peer's works: KIND DATA.npz OUT.npz PARAMS."""
    kind, data, out, params = sys.argv[1:]
    with np.load(data) as arrays:
        once, answers = makers[kind](dict(arrays), json.loads(params))
    serve(once, answers, Path(out), version)


def curve(epochs: int, epoch: Once, lists: Callable[[], np.ndarray], target: np.ndarray) -> Told:
    """Train so many epochs, and tell the seconds and NDCG@10 after each; looks are not counted.

    lists: the ten best items of each user; target: the item that each should have, or 0.
    """
    seconds, found, result = 0.0, [], None
    for number in range(1, epochs + 1):
        began = time.perf_counter()
        result = epoch()
        seconds += time.perf_counter() - began
        found.append((seconds, ndcg(lists(), target)))
        print(f"epoch {number}: {seconds:.1f} s, NDCG@10 {found[-1][1]:.4f}")
    return Told(result, {"seconds": seconds, "curve": found})


def ndcg(lists: np.ndarray, target: np.ndarray) -> float:
    """Give the mean NDCG of lists for one target each, over the users that have one."""
    hits = (lists == target[:, None])[target > 0]
    return float((hits / np.log2(np.arange(lists.shape[1]) + 2)[None, :]).sum(1).mean())
