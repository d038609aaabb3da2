"""Metric writers: what is written is read again, whatever a kill leaves behind."""

import io
import json
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxrec.errors import InputError
from jaxrec.tracking.jsonl import JsonlWriter, read, truncate
from jaxrec.tracking.progress import ProgressWriter
from jaxrec.tracking.tensorboard import TensorboardWriter
from jaxrec.tracking.wandb import WandbWriter


def _write(path, steps):
    writer = JsonlWriter(path)
    for step in steps:
        writer.write(step, {"loss": 1.0 / step})
    writer.close()


def test_jsonl_writes_one_valid_json_object_a_line(tmp_path):
    writer = JsonlWriter(tmp_path / "deep" / "metrics.jsonl")
    writer.write(3, {"loss": 0.5, "ndcg@10": math.nan})
    lines = (tmp_path / "deep" / "metrics.jsonl").read_text().splitlines()  # before close
    writer.close()
    assert [json.loads(line) for line in lines] == [{"step": 3, "loss": 0.5, "ndcg@10": None}]
    assert math.isnan(read(tmp_path / "deep" / "metrics.jsonl")[0]["ndcg@10"])


def test_jsonl_appends_to_what_is_there(tmp_path):
    _write(tmp_path / "m.jsonl", [1, 2])
    _write(tmp_path / "m.jsonl", [3])
    assert [row["step"] for row in read(tmp_path / "m.jsonl")] == [1, 2, 3]


def test_reading_a_missing_file_gives_nothing(tmp_path):
    assert read(tmp_path / "none.jsonl") == []
    truncate(tmp_path / "none.jsonl", 3)
    assert not (tmp_path / "none.jsonl").exists()


@given(st.integers(0, 200), st.integers(0, 12))
def test_a_torn_file_resumes_as_if_never_killed(tmp_path_factory, cut, step):
    folder = tmp_path_factory.mktemp("torn")
    _write(folder / "whole.jsonl", range(1, 13))
    whole = (folder / "whole.jsonl").read_bytes()
    torn = folder / "torn.jsonl"
    torn.write_bytes(whole[: min(cut, len(whole))])
    survived = torn.read_bytes().count(b"\n")
    step = min(step, survived)
    truncate(torn, step)
    assert [row["step"] for row in read(torn)] == list(range(1, step + 1))
    _write(torn, range(step + 1, 13))
    assert torn.read_bytes() == whole


@pytest.mark.parametrize("tail", [b'{"step": 3, "lo', b'{"step": 3}', b"\x00\xff"])
def test_a_writer_never_joins_its_line_to_a_torn_one(tmp_path, tail):
    path = tmp_path / "m.jsonl"
    _write(path, [1, 2])
    path.write_bytes(path.read_bytes() + tail)
    _write(path, [9])
    assert [row["step"] for row in read(path)] == [1, 2, 9]


def test_tensorboard_writes_event_files(tmp_path):
    pytest.importorskip("tensorboardX")
    writer = TensorboardWriter(tmp_path)
    writer.write(1, {"loss": 0.5})
    writer.close()
    events = list(tmp_path.glob("events.*"))
    assert events
    assert b"loss" in events[0].read_bytes()


@pytest.mark.parametrize(
    ("module", "writer", "extra"),
    [("tensorboardX", TensorboardWriter, "tensorboard"), ("wandb", WandbWriter, "wandb")],
)
def test_a_missing_extra_is_named(tmp_path, monkeypatch, module, writer, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"pip install 'jaxrec\[{extra}\]'"):
        writer(tmp_path)


class _Wandb:
    """What WandbWriter uses of the package, recording the calls."""

    def __init__(self):
        self.inits, self.logged, self.finished = [], [], 0

    def init(self, **options):
        self.inits.append(options)
        return self

    def Settings(self, **options):
        return options

    def log(self, values, step):
        self.logged.append((step, values))

    def finish(self):
        self.finished += 1


def test_wandb_resumes_one_offline_run(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    fake = _Wandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    for step in (1, 2):
        writer = WandbWriter(tmp_path / "run", {"seed": 0})
        writer.write(step, {"loss": 0.5})
        writer.close()
    first, second = fake.inits
    assert first["id"] == second["id"]
    assert first["mode"] == "offline"
    assert fake.logged == [(1, {"loss": 0.5}), (2, {"loss": 0.5})]
    assert fake.finished == 2


class _Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_progress_away_from_a_terminal_is_a_plain_line_now_and_then(capsys):
    clock = _Clock()
    progress = ProgressWriter(100, clock=clock)
    for step in range(10, 101, 10):
        clock.now += 4.0
        progress.write(step, {"loss": 2.0 / step, "examples_per_second": 1234.0, "grad_norm": 1.0})
    progress.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4  # after 12, 24 and 36 seconds, and at the end
    assert lines[0] == "step 30/100  loss 0.0667  1,234 examples/s  0:28 left"
    assert "left" not in lines[-1]
    assert lines[-1].startswith("step 100/100")


def test_progress_shows_how_near_a_run_comes_to_its_machine():
    progress = ProgressWriter(100, clock=_Clock())
    speed = {"matmul_share": 0.314, "input_share": 0.012, "peak_bytes": 2.5e9, "table_bytes": 7}
    progress.write(100, {"loss": 1.0, "examples_per_second": 1234.0, **speed})
    assert progress.describe() == (
        "loss 1.0000  1,234 examples/s  31.4% of the matmul rate  1.2% waiting for input  2.50 GB"
    )
    progress.write(100, {"input_share": 0.0})
    assert "input" not in progress.describe()


def test_progress_counts_the_time_left_from_where_a_run_resumes():
    clock = _Clock()
    progress = ProgressWriter(100, start_step=80, clock=clock)
    clock.now = 3600.0
    progress.write(90, {"loss": 1.0})
    assert progress.describe() == "loss 1.0000  1:00:00 left"


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_draws_a_bar(monkeypatch):
    stream = _Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    progress = ProgressWriter(10)
    progress.write(5, {"loss": 0.25, "ndcg@10": 0.1})
    progress.close()
    assert "5/10" in stream.getvalue()
    assert "loss 0.2500" in stream.getvalue()
