"""Item neighbourhoods by cosine on Amazon Sports and Outdoors: leave-one-out, the full catalogue.

Command:  jaxrec train sports_item_knn
Time:     about 10 s on two CPU cores.
Expected: test HR@10 .0390, NDCG@10 .0229, fitted on train and validation; .0314 and .0182 with
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
        data=DataConfig(path="sports"),
        model=ItemKNNConfig(),
        protocol=Protocol(
            fit_on="train+validation", metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"
        ),
    )
