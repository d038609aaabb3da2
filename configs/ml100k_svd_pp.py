"""SVD++ on MovieLens-100K: Surprise's five folds.

Command:  jaxrec train ml100k_svd_pp
Time:     about 5 seconds on two CPU cores.
Expected: test RMSE .920, MAE .722, means of five folds; its own defaults, untuned.
          Ten seeds give .9199 ± .0006.
          Surprise's table has .919/.721, to the last digit what Surprise 1.1.5 gives with
          random_state=0 for each fold.
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
