"""A config several times: see also test_train.py, which averages real runs."""

from dataclasses import dataclass

from jaxrec import repeat
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig


@dataclass(frozen=True)
class Seeded:
    """A baseline that draws, and so has a seed of its own."""

    seed: int = 5


def test_the_seed_of_a_baseline_counts_up_with_the_run_s(tmp_path, monkeypatch):
    seen = []

    def train_and_evaluate(config, workdir):
        seen.append((config.seed, config.model.seed))
        kept = ("protocol", "data", "commit", "versions", "device", "cores", "examples_per_second")
        measured = {"test": {"ndcg@10": 0.1}, "validation": {}}
        return {"seed": config.seed, "seconds": 1.0, **measured, **dict.fromkeys(kept)}

    monkeypatch.setattr(repeat, "train_and_evaluate", train_and_evaluate)
    monkeypatch.setattr(repeat.configs, "to_json", lambda config: {})
    repeat.train(Config(data=DataConfig(), model=Seeded(), seed=2), tmp_path, seeds=3)
    assert seen == [(2, 5), (3, 6), (4, 7)]
