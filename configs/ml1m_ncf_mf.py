"""TODO"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import BinaryCrossEntropy
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ncf", split=Given()),
        model=MatrixFactorizationConfig(embed_dim=192),
        objective=BinaryCrossEntropy(Uniform(8)),
        batches=Pairs(batch_size=8192),
        optimizer=Adam(learning_rate=2e-3, weight_decay=0.1),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), candidates="lists"),
        train=TrainConfig(epochs=20, patience=None),
    )
