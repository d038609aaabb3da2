"""Caser with the full softmax on MovieLens-1M, the file of SASRec: leave-one-out.

Command:  jaxrec train ml1m_caser
Time:     not measured here yet; at most 100 epochs.
Expected: not measured here yet; no published number is known for this very file.
Tuned:    no; the sizes, dropout and step size are those of the authors' code for MovieLens-1M (L 5,
          d 50, 16 horizontal and 4 vertical filters). The softmax over all items stands where they
          draw three negatives, and one next item is the target of a window instead of three.
Paper:    Tang and Wang, "Personalized Top-N Sequential Recommendation via Convolutional Sequence
          Embedding", WSDM 2018.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.caser import CaserConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=CaserConfig(
            embed_dim=50, num_horizontal=16, num_vertical=4, dropout=0.5, history_length=5
        ),
        objective=FullSoftmax(),
        # Each event with its user and the window before it: rows of packed users would name none.
        batches=Pairs(batch_size=1024, history_length=5),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10),
    )
