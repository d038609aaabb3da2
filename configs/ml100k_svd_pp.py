"""SVD++ on MovieLens-100K: Surprise's five folds.

Command:  jaxrec train ml100k_svd_pp
Time:     about 17 seconds on two CPU cores.
Expected: test RMSE .922, MAE .723, means of five folds; its own defaults, untuned.
          Surprise's table has .919/.721. Three seeds give .921 ± .001.
Paper:    Koren, "Factorization Meets the Neighborhood", KDD 2008.
"""

from jaxrec.baselines.svd_pp import SVDppConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import KFold
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-100k", split=KFold()),
        model=SVDppConfig(),
        protocol=Protocol(metrics=("rmse", "mae"), monitor="rmse", clip=(1.0, 5.0)),
    )
