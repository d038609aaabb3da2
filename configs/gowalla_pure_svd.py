"""PureSVD on Gowalla, on the files and by the protocol of LightGCN.

Command:  jaxrec train gowalla_pure_svd
Time:     about 10 s on two CPU cores.
Expected: test Recall@20 .0911, NDCG@20 .0772; not tuned.
Paper:    Cremonesi, Koren and Turrin, "Performance of Recommender Algorithms on Top-N
          Recommendation Tasks", RecSys 2010.
"""

from jaxrec.baselines.pure_svd import PureSVDConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given()),
        model=PureSVDConfig(factors=64),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
    )
