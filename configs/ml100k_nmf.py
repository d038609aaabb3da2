"""Non-negative matrix factorisation on MovieLens-100K: Surprise's five folds.

Command:  jaxrec train ml100k_nmf
Time:     about 4 seconds on two CPU cores.
Expected: test RMSE .966, MAE .759, means of five folds; its own defaults, untuned.
          Surprise's table has .963/.758, to the last digit what Surprise 1.1.5 gives with
          random_state=0 for each fold. From its initial factors jaxrec's RMSE is Surprise's
          to all five digits (five draws on all folds), so what differs is the draw: forty, new for
          each fold, give .9644 ± .0012 here and .9640 ± .0013 there (thirty).
Paper:    Luo et al., "An Efficient Non-Negative Matrix-Factorization-Based Approach to
          Collaborative Filtering for Recommender Systems", IEEE TII 2014.
"""

from jaxrec.baselines.nmf import NMFConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import KFold
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-100k", split=KFold()),
        model=NMFConfig(),
        protocol=Protocol(metrics=("rmse", "mae"), monitor="rmse", clip=(1.0, 5.0)),
    )
