"""Biased matrix factorisation by gradient descent on MovieLens-100K: Surprise's five folds.

Command:  jaxrec train ml100k_svd
Time:     about 7 seconds on two CPU cores.
Expected: test RMSE .938, MAE .739, means of five folds; its own defaults, untuned.
          Surprise's table has .934/.737. Three seeds give .938 ± .001; Surprise, run beside it,
          .936. From its initial vectors and in its order of the ratings, the first fold's RMSE is
          Surprise's to all five digits; the order here costs .001.
Paper:    Koren, Bell & Volinsky, "Matrix Factorization Techniques for Recommender Systems",
          Computer 2009.
"""

from jaxrec.baselines.svd import SVDConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import KFold
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-100k", split=KFold()),
        model=SVDConfig(),
        protocol=Protocol(metrics=("rmse", "mae"), monitor="rmse", clip=(1.0, 5.0)),
    )
