"""Biased matrix factorisation by gradient descent on MovieLens-100K: Surprise's five folds.

Command:  jaxrec train ml100k_svd
Time:     about 3 seconds on two CPU cores.
Expected: test RMSE .937, MAE .739, means of five folds; its own defaults, untuned.
          Surprise's table has .934/.737, to the last digit what Surprise 1.1.5 gives with
          random_state=0 for each fold. That is a lucky draw: with ten others, new for each
          fold, it gives .9366 ± .0009, and jaxrec .9364 ± .0006 with its ten.
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
