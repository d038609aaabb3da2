"""Nearest users, compared in standard deviations from their means, on MovieLens-100K:
Surprise's five folds.

Command:  jaxrec train ml100k_knn_z_score
Time:     about 7 seconds on two CPU cores.
Expected: test RMSE .951, MAE .746, means of five folds; its own defaults, untuned.
          Surprise's table lacks it.
Paper:    Herlocker et al., "An Algorithmic Framework for Performing Collaborative Filtering", SIGIR
          1999.
"""

from jaxrec.baselines.rating_knn import RatingKNNConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import KFold
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-100k", split=KFold()),
        model=RatingKNNConfig(kind="z_score"),
        protocol=Protocol(metrics=("rmse", "mae"), monitor="rmse", clip=(1.0, 5.0)),
    )
