"""A config several times: see also test_train.py, which averages real runs."""

from dataclasses import dataclass

import pytest

from jaxrec import repeat
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import KFold


@dataclass(frozen=True)
class Seeded:
    """A baseline that draws, and so has a seed of its own."""

    seed: int = 5


@pytest.fixture
def seen(monkeypatch):
    """The seeds of runs, and of their baselines, and the folds; nothing is trained."""
    seen = []

    def train_and_evaluate(config, workdir):
        fold = getattr(config.data.split, "fold", None)
        seen.append((config.seed, config.model.seed, fold))
        kept = ("protocol", "data", "commit", "versions", "device", "cores", "examples_per_second")
        measured = {"test": {"ndcg@10": float(config.seed)}, "validation": {}}
        return {"seed": config.seed, "seconds": 1.0, **measured, **dict.fromkeys(kept)}

    monkeypatch.setattr(repeat, "train_and_evaluate", train_and_evaluate)
    monkeypatch.setattr(repeat.configs, "to_json", lambda config: {})
    return seen


def test_the_seed_of_a_baseline_counts_up_with_the_run_s(tmp_path, seen):
    repeat.train(Config(data=DataConfig(), model=Seeded(), seed=2), tmp_path, seeds=3)
    assert seen == [(2, 5, None), (3, 6, None), (4, 7, None)]


def test_each_fold_of_each_seed_has_a_seed_of_its_own(tmp_path, seen):
    config = Config(data=DataConfig(split=KFold(2)), model=Seeded())
    result = repeat.train(config, tmp_path, seeds=3)
    assert seen == [(n, 5 + n, n % 2) for n in range(6)]
    assert result["seeds"] == list(range(6))
    assert result["runs"] == ["seed-0", "seed-1", "seed-2"]
    assert result["test"] == {"ndcg@10": 2.5}
    assert result["sd"]["test"] == {"ndcg@10": 2.0}
