"""Matrix factorisation by BPR on Gowalla, LightGCN's files: 10 % of train chooses the epoch.

Command:  jaxrec train gowalla_mf
          As published, the epoch being chosen on test (the files have no validation part):
          --data.split.validation 0 --protocol.select-on test --protocol.fit-on train
Time:     not measured here yet.
Expected: not measured here yet; published test Recall@20 .1627, NDCG@20 .1378, chosen on
          test.
Tuned:    no.
Paper:    Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import Bpr
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given(validation=0.1)),
        model=MatrixFactorizationConfig(embed_dim=64, biases=False),
        objective=Bpr(Uniform(1)),
        batches=Pairs(batch_size=8192),
        optimizer=Adam(learning_rate=3e-3, weight_decay=0.1),
        protocol=Protocol(
            metrics=("recall@20", "ndcg@20"), monitor="ndcg@20", fit_on="train+validation"
        ),
        train=TrainConfig(epochs=200, patience=10, ema_decay=0.999),
    )
