"""Caser on Amazon Beauty, S3-Rec's file, with the paper's objective: leave-one-out, full catalogue.

Command:  jaxrec train beauty_caser
Time:     about 19 minutes on one busy core; at most 100 epochs.
Expected: test HR@10 .0545, NDCG@10 .0304 (seed 0); published .0347, .0176 (Zhou et al., "S3-Rec",
          CIKM 2020). A Markov chain has .0772 and .0503 (beauty_markov).
Tuned:    no; the sizes, dropout, negatives, batch and step size are the defaults of the authors'
          code (L 5, d 50, 16 horizontal and 4 vertical filters), without its L2 of 1e-6, and with
          one next item as the target of a window instead of three.
Paper:    Tang and Wang, "Personalized Top-N Sequential Recommendation via Convolutional Sequence
          Embedding", WSDM 2018.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.caser import CaserConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import BinaryCrossEntropy
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=CaserConfig(
            embed_dim=50, num_horizontal=16, num_vertical=4, dropout=0.5, history_length=5
        ),
        objective=BinaryCrossEntropy(Uniform(3)),
        batches=Pairs(batch_size=512, history_length=5),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10),
    )
