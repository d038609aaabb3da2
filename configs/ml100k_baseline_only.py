"""Biases of users and items alone on MovieLens-100K: Surprise's five folds.

Command:  jaxrec train ml100k_baseline_only
Time:     about 5 seconds on two CPU cores.
Expected: test RMSE .944, MAE .748, means of five folds; its own defaults, untuned.
          Surprise's table has the same.
Paper:    Koren, "Factor in the Neighbors", TKDD 2010, section 2.1.
"""

from jaxrec.baselines.baseline_only import BaselineOnlyConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import KFold
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-100k", split=KFold()),
        model=BaselineOnlyConfig(),
        protocol=Protocol(metrics=("rmse", "mae"), monitor="rmse", clip=(1.0, 5.0)),
    )
