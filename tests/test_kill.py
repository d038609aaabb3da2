"""A run that is killed, wherever, and started again ends with the very bits of one that was not.

The killed one streams its batches from the host, the other has them on the device.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrec.checkpoint import restore
from jaxrec.tracking import jsonl

CLOCK = {"seconds", "train_seconds", "examples_per_second", "first_step_seconds"}
CLOCK |= {"matmul_share", "matmul_flops_per_second", "input_seconds", "input_share"}
CLOCK |= {"peak_bytes"}  # of the process, which a kill starts anew
KILLS = 10


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    script = Path(__file__).with_name("killable.py")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "XLA_FLAGS": ""}
    environment |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "0"}
    done = subprocess.run(
        [sys.executable, script, folder, str(KILLS)],
        capture_output=True,
        text=True,
        env=environment,
    )
    logs = "".join(f"\n{path.name}:\n{path.read_text()}" for path in folder.glob("*.log"))
    assert done.returncode == 0, done.stderr + logs
    return folder, json.loads(done.stdout.splitlines()[-1])


def _without_clock(values):
    return {
        name: _without_clock(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if name not in CLOCK
    }


def _checkpoint(workdir):
    kept = json.loads((workdir / "metrics.json").read_text())["checkpoint"]
    return restore(workdir / kept["directory"], kept["step"], print)


def test_the_kills_fell_where_they_should(runs):
    _, report = runs
    assert report["in_save"], "no kill left a checkpoint's temporary directory behind"
    assert len(report["steps"]) == KILLS
    assert len(set(report["steps"])) > 3, "the kills did not fall at different times"


def test_sigterm_saves_and_exits(runs):
    _, report = runs
    assert report["terminated"][1] == 143


def test_parameters_are_bit_identical(runs):
    folder, _ = runs
    whole, killed = _checkpoint(folder / "whole"), _checkpoint(folder / "killed")
    jax.tree.map(np.testing.assert_array_equal, whole, killed)


def test_metrics_are_identical(runs):
    folder, _ = runs
    whole, killed = (
        _without_clock(json.loads((folder / name / "metrics.json").read_text()))
        for name in ("whole", "killed")
    )
    assert whole == killed


def test_every_line_of_the_log_is_identical(runs):
    folder, _ = runs
    whole, killed = (
        [_without_clock(line) for line in jsonl.read(folder / name / "metrics.jsonl")]
        for name in ("whole", "killed")
    )
    assert whole == killed
    assert len(whole) > KILLS
