"""GF-CF on Gowalla, on the files and by the protocol of LightGCN.

Command:  jaxrec train gowalla_gf_cf
Time:     about 90 s on two CPU cores.
Expected: test Recall@20 .1849, NDCG@20 .1518, as published.
Paper:    Shen et al., "How Powerful is Graph Convolution for Recommendation?", CIKM 2021.
"""

from jaxrec.baselines.gf_cf import GFCFConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given()),
        model=GFCFConfig(),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
    )
