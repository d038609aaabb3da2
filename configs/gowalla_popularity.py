"""The most popular places of Gowalla for everybody, on the files and by the protocol of LightGCN.

Command:  jaxrec train gowalla_popularity
Time:     under a minute on two CPU cores.
Expected: test Recall@20 .0416, NDCG@20 .0317, as RecSysEvaluation/IntentAwareRS publish for TopPop,
          which shows that the evaluator agrees with theirs.
Paper:    He et al., "LightGCN", SIGIR 2020, for the split and the protocol.
"""

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given()),
        model=PopularityConfig(),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
    )
