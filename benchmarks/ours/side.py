"""What ours/ makes of a work."""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.peers.worker import Answers, Once


class Side(NamedTuple):
    """What does the work, what answers for it, and the compiled program it mostly runs, if one."""

    once: Once
    answers: Answers
    program: Callable[[], str] | None = None
