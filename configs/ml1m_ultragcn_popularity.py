"""The most popular films of UltraGCN's MovieLens-1M for everybody: the full catalogue.

Command:  jaxrec train ml1m_ultragcn_popularity
Time:     a few seconds on two CPU cores.
Expected: test Recall@20 .1160, NDCG@20 .1176.
Paper:    Mao et al., "UltraGCN", CIKM 2021, for the split.
"""

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ultragcn", split=Given()),
        model=PopularityConfig(),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
    )
