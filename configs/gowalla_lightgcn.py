"""LightGCN of three layers on Gowalla, by LightGCN's protocol, a tenth of train held out.

Command:  jaxrec train gowalla_lightgcn
          As published, the epoch being chosen on test (the files have no validation part):
          --data.split.validation 0 --protocol.select-on test --protocol.fit-on train
Time:     six and a half minutes an epoch on one CPU core; its 1000 epochs were not run here.
Expected: after five epochs as published, test Recall@20 .1095, NDCG@20 .0961 (seed 0), where the
          authors' log has .1071, .0894; at the end the published are .1824, .1554.
Tuned:    no; sizes, step, batch and decay are the authors'. A row decays once in a batch, theirs as
          often as it is in it.
Paper:    He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for
          Recommendation", SIGIR 2020.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.lightgcn import LightGCNConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import Bpr
from jaxrec.optimizer import Adam
from jaxrec.regularisation import L2Penalty
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given(validation=0.1)),
        model=LightGCNConfig(embed_dim=64, num_layers=3),
        objective=L2Penalty(Bpr(Uniform(1)), decay=1e-4 / 2048),
        batches=Pairs(batch_size=2048),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
        train=TrainConfig(epochs=1000, patience=50),
    )
