"""EDLAE on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_edlae
Time:     about 6 s on two CPU cores.
Expected: test HR@10 .1073, NDCG@10 .0532; not tuned.
Paper:    Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020.
"""

from jaxrec.baselines.edlae import EDLAEConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=EDLAEConfig(dropout=0.25, l2=500.0),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
    )
