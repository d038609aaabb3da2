"""Run by test_kill.py: trains in forked children, which a signal may end at any moment.

A fork after the imports, and before JAX starts its threads, saves each child the seconds they take.
"""

import dataclasses
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.interactions import Interactions
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.objectives import Bpr
from jaxrec.optimizer import Adam
from jaxrec.train import train_and_evaluate
from jaxrec.train_step import TrainConfig

CONFIG = Config(
    data=DataConfig(path=None),
    model=MatrixFactorizationConfig(embed_dim=8),
    objective=Bpr(),
    batches=Pairs(batch_size=64),
    optimizer=Adam(learning_rate=0.05),
    protocol=Protocol(resamples=20),
    train=TrainConfig(epochs=60, patience=None, steps_per_call=4, ema_decay=0.9),
)

STEPS_PER_EPOCH = 8


def events() -> Interactions:
    random_numbers = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 10)
    items = (users % 5) * 6 + random_numbers.integers(0, 12, len(users))
    return Interactions.from_frame(
        pd.DataFrame({"user": users, "item": items, "timestamp": np.arange(len(users))})
    )


def config_of(workdir: Path) -> Config:
    """Stream the batches of the run that is killed from the host: it must make no difference."""
    if workdir.name == "whole":
        return CONFIG
    return dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, data_budget=0))


def start(workdir: Path) -> int:
    """Fork a child that trains; return its process number."""
    child = os.fork()
    if child:
        return child
    os.dup2(os.open(workdir.with_suffix(".log"), os.O_CREAT | os.O_APPEND | os.O_WRONLY), 1)
    os.dup2(1, 2)
    code = 1
    try:
        train_and_evaluate(config_of(workdir), workdir, events())
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        os._exit(code)


def saving(workdir: Path) -> bool:
    """Tell whether a checkpoint stands under its temporary name."""
    return any((workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*"))


def kill_in_a_save(workdir: Path) -> bool:
    """Kill while a checkpoint's temporary directory stands; say whether it was left behind."""
    child = start(workdir)
    while not saving(workdir):
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return saving(workdir)


def newest(workdir: Path) -> int:
    """Return the newest checkpoint's step, 0 without one."""
    return max(
        (int(p.name) for p in workdir.glob("checkpoints/[0-9]*") if p.name.isdigit()), default=0
    )


def end(workdir: Path, saves: int, seconds: float, number: int) -> tuple[int, int | None]:
    """Send a signal a while after so many epochs were saved; return that step and the exit code."""
    before, child = newest(workdir), start(workdir)
    while newest(workdir) < before + saves * STEPS_PER_EPOCH:
        assert not os.waitpid(child, os.WNOHANG)[0], "the run ended before it was killed"
        time.sleep(0.001)
    time.sleep(seconds)
    step = newest(workdir)
    os.kill(child, number)
    _, status = os.waitpid(child, 0)
    return step, os.WEXITSTATUS(status) if os.WIFEXITED(status) else None


def main(folder: Path, kills: int) -> None:
    whole, killed = folder / "whole", folder / "killed"
    assert os.waitpid(start(whole), 0)[1] == 0, "the run that nobody kills failed"
    in_save = any(kill_in_a_save(killed) for _ in range(3))
    draw, steps = random.Random(1), []
    for _ in range(kills):
        # No save at all: somewhere between the start of the process and its first one.
        saves = draw.randrange(3)
        seconds = draw.uniform(0, 1 if saves == 0 else 0.1)
        step, code = end(killed, saves, seconds, signal.SIGKILL)
        assert code is None, "the run ended before it was killed"
        steps.append(step)
    terminated = end(killed, 1, 0.02, signal.SIGTERM)
    assert os.waitpid(start(killed), 0)[1] == 0, "the last run of the killed one failed"
    print(json.dumps({"in_save": in_save, "steps": steps, "terminated": terminated}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
