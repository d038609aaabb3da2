"""Factors by SimpleX's contrastive loss on Gowalla, LightGCN's files, chosen on 10 % of train.

Command:  jaxrec train gowalla_mf_ccl
          As published, the epoch being chosen on test (the files have no validation part):
          --data.split.validation 0 --protocol.select-on test --protocol.fit-on train
Time:     not measured here yet.
Expected: not measured here yet; published test Recall@20 .1837, NDCG@20 .1493, chosen on
          test.
Tuned:    no; margin and weight are the authors', from memory. Their batches of 256 at a rate of
          1e-4 are 2,048 at 1e-3 here, and a batch shares its negatives.
Paper:    Mao et al., "SimpleX: A Simple and Strong Baseline for Collaborative Filtering", CIKM
          2021.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.margins import CosineContrastive
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.negatives import Uniform
from jaxrec.optimizer import Adam
from jaxrec.similarity import Cosine
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given(validation=0.1)),
        model=MatrixFactorizationConfig(
            embed_dim=64, biases=False, similarity=Cosine(temperature=1.0)
        ),
        objective=CosineContrastive(Uniform(800), margin=0.9, negative_weight=150.0),
        batches=Pairs(batch_size=2048),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(
            metrics=("recall@20", "ndcg@20"), monitor="ndcg@20", fit_on="train+validation"
        ),
        train=TrainConfig(epochs=50, patience=5),
    )
