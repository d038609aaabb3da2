"""The most popular films of MovieLens-100K for everybody: leave-one-out, the full catalogue.

Command:  jaxrec train ml100k_popularity
Time:     a few seconds on two CPU cores.
Expected: test NDCG@10 .043.
Tuned:    not, since it is the floor. jaxrec tune ml100k_popularity (20 trials of the space below,
          seed 0) finds a half-life of 5.1 days: .0387 on validation, where this has .0338.
Paper:    none; the floor that every other row is read against.
"""

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.space import Float, Range


def get_space() -> dict[str, Range]:
    return {"model.half_life_days": Float(1.0, 1000.0, log=True)}


def get_config() -> Config:
    return Config(data=DataConfig(path="ml-100k"), model=PopularityConfig())
