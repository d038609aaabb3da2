"""SimpleX on MovieLens-1M, on UltraGCN's files: 10 % of train held out.

Command:  jaxrec train ml1m_ultragcn_simplex
Time:     not measured here yet.
Expected: not measured here yet; no published row on these files.
Tuned:    no.
Paper:    Mao et al., "SimpleX: A Simple and Strong Baseline for Collaborative Filtering", CIKM
          2021.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.margins import CosineContrastive
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.simplex import SimpleXConfig
from jaxrec.negatives import Uniform
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ultragcn", split=Given(validation=0.1)),
        model=SimpleXConfig(embed_dim=64, history_length=100),
        objective=CosineContrastive(Uniform(200), margin=0.4, negative_weight=50.0),
        batches=Pairs(batch_size=2048, history_length=100, around=True),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(
            metrics=("recall@20", "ndcg@20"), monitor="ndcg@20", fit_on="train+validation"
        ),
        train=TrainConfig(epochs=50, patience=5),
    )
