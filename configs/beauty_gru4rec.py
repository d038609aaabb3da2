"""GRU4Rec on Amazon Beauty, S3-Rec's file: leave-one-out, the full catalogue.

Command:  jaxrec train beauty_gru4rec
Time:     about 30 minutes on one busy core; 100 epochs, after which it was still rising.
Expected: test HR@10 .0763, NDCG@10 .0456 (seed 0); published .0283, .0137 (S3-Rec's table, whose
          code sets the scores of seen items to 0: --protocol.seen zero).
Tuned:    no; width, length and step size are those of S3-Rec's other models.
Paper:    Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016,
          with the full softmax; the row is from Zhou et al., "S3-Rec", CIKM 2020.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.gru4rec import GRU4RecConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=GRU4RecConfig(embed_dim=64, dropout=0.5, history_length=50),
        objective=FullSoftmax(),
        batches=PackedSequences(batch_size=32, length=50),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10),
    )
