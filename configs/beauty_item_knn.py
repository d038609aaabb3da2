"""Item neighbourhoods by cosine on Amazon Beauty: leave-one-out, the full catalogue.

Command:  jaxrec train beauty_item_knn
Time:     about 10 s on two CPU cores.
Expected: test HR@10 .0640, NDCG@10 .0374, fitted on train and validation; .0567 and .0324 with
          --protocol.fit-on train. Not tuned: all neighbours count, without shrinkage.
Paper:    Sarwar et al., "Item-Based Collaborative Filtering Recommendation Algorithms", WWW 2001;
          the data is that of S3-Rec (Zhou et al., CIKM 2020).
"""

from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=ItemKNNConfig(),
        protocol=Protocol(
            fit_on="train+validation", metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"
        ),
    )
