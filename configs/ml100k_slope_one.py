"""Slope One on MovieLens-100K: Surprise's five folds.

Command:  jaxrec train ml100k_slope_one
Time:     about 10 seconds on two CPU cores.
Expected: test RMSE .946, MAE .743, means of five folds; its own defaults, untuned.
          Surprise's table has the same.
Paper:    Lemire & Maclachlan, "Slope One Predictors for Online Rating-Based Collaborative
          Filtering", SDM 2005.
"""

from jaxrec.baselines.slope_one import SlopeOneConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import KFold
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-100k", split=KFold()),
        model=SlopeOneConfig(),
        protocol=Protocol(metrics=("rmse", "mae"), monitor="rmse", clip=(1.0, 5.0)),
    )
