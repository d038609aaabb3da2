"""EDLAE on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_edlae
Time:     about 6 s on two CPU cores.
Expected: test HR@10 .1061, NDCG@10 .0529.
Tuned:    jaxrec tune ml1m_edlae from dropout = .25, l2 = 500, over the space below: trial 19 of 20,
          seed 0 (validation NDCG@10 .0524).
Paper:    Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020.
"""

from jaxrec.baselines.edlae import EDLAEConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.space import Float, Range


def get_space() -> dict[str, Range]:
    return {
        "model.dropout": Float(0.05, 0.6),
        "model.l2": Float(10.0, 2000.0, log=True),
    }


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=EDLAEConfig(dropout=0.231, l2=213.0),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
    )
