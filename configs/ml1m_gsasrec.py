"""gSASRec on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_gsasrec
Time:     not measured here yet; on two busy CPU cores a step took 1.9 s, without `whole` 10.8 s.
Expected: not measured here yet; published test HR@10 .3003, NDCG@10 .1726.
Tuned:    no; the sizes, dropout, negatives and t are the published ones. A batch of 64 packed rows
          holds about as many targets as their 128 users. Their table of items that scores is
          another than the one that embeds the history; here the two are one. Their epochs have
          at most 100 batches and their patience is 200; 47 batches hold all users.
Paper:    Petrov and Macdonald, "gSASRec: Reducing Overconfidence in Sequential Recommendation
          Trained with Negative Sampling", RecSys 2023; numbers of asash/gSASRec-pytorch.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import Gbce
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=SASRecConfig(
            embed_dim=128, num_layers=2, num_heads=1, mlp_ratio=1, dropout=0.5, history_length=200
        ),
        objective=Gbce(Uniform(256, avoid_positives=False), calibration=0.75, whole=True),
        batches=PackedSequences(batch_size=64, length=200),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=400, patience=50),
    )
