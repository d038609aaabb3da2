"""UltraGCN on Gowalla, LightGCN's files: 10 % of train chooses the epoch.

Command:  jaxrec train gowalla_ultragcn
          As published, the epoch being chosen on test (the files have no validation part):
          --data.split.validation 0 --protocol.select-on test --protocol.fit-on train
Time:     not measured here yet.
Expected: not measured here yet; published test Recall@20 .1862, NDCG@20 .1580, chosen on
          test after 634 epochs.
Tuned:    no; the authors' width, negatives, weights and penalties. Their batches of 512 at a
          rate of 1e-4 are 2,048 at 1e-3 here, and a batch shares its negatives.
Paper:    Mao et al., "UltraGCN: Ultra Simplification of Graph Convolutional Networks for
          Recommendation", CIKM 2021.
"""

from jaxrec.config import Config
from jaxrec.constraints import GraphConstraints
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.ultragcn import UltraGCNConfig
from jaxrec.negatives import Uniform
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given(validation=0.1)),
        model=UltraGCNConfig(embed_dim=64),
        objective=GraphConstraints(
            Uniform(1500),
            negative_weight=300.0,
            neighbour_weight=5e-4,
            decay=1e-4,
            shared=True,
        ),
        batches=Pairs(batch_size=2048),
        optimizer=Adam(learning_rate=1e-3, eps=1e-11),
        protocol=Protocol(
            metrics=("recall@20", "ndcg@20"), monitor="ndcg@20", fit_on="train+validation"
        ),
        train=TrainConfig(epochs=200, patience=15),
    )
