"""Item neighbourhoods by cosine on SASRec's MovieLens-1M: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_item_knn
Time:     about 10 s on two CPU cores.
Expected: test NDCG@10 .0359, HR@10 .0699; not tuned: all neighbours count (20 neighbours gave
          .0428 and .0858 in one trial).
Paper:    Sarwar et al., "Item-Based Collaborative Filtering Recommendation Algorithms", WWW 2001;
          the file is that of SASRec (Kang and McAuley, ICDM 2018).
"""

from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=ItemKNNConfig(),
        protocol=Protocol(metrics=("ndcg@10", "hit_rate@10"), monitor="ndcg@10"),
    )
