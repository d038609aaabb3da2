"""Item neighbourhoods by cosine on SASRec's MovieLens-1M: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_item_knn
Time:     about 8 s on two CPU cores.
Expected: test NDCG@10 .0427, HR@10 .0863; fitted on train and validation .0429, .0864.
Tuned:    jaxrec tune ml1m_item_knn from every neighbour without shrinkage (trial 0: .0343; test
          .0359, .0699), over the space below: trial 17 of 20, seed 0 (validation NDCG@10 .0418).
Paper:    Sarwar et al., "Item-Based Collaborative Filtering Recommendation Algorithms", WWW 2001;
          the file is that of SASRec (Kang and McAuley, ICDM 2018).
"""

from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.space import Choice, Float, Int, Range


def get_space() -> dict[str, Range]:
    return {
        "model.similarity": Choice(("cosine", "dot")),
        "model.neighbours": Int(5, 1000, log=True),
        "model.shrinkage": Float(0.1, 1000.0, log=True),
        "model.normalise": Choice((False, True)),
    }


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=ItemKNNConfig(neighbours=8, shrinkage=4.07),
        protocol=Protocol(metrics=("ndcg@10", "hit_rate@10"), monitor="ndcg@10"),
    )
