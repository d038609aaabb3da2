"""TODO"""

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
        data=DataConfig(path="ml-1m-ultragcn", split=Given()),
        model=MatrixFactorizationConfig(embed_dim=64),
        objective=Bpr(Uniform(1)),
        batches=Pairs(batch_size=8192),
        optimizer=Adam(learning_rate=2e-3, weight_decay=0.3),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
        train=TrainConfig(epochs=40, patience=None),
    )
