"""NextItNet with the full softmax on MovieLens-1M, the file of SASRec: leave-one-out.

Command:  jaxrec train ml1m_nextitnet
Time:     not measured here yet; at most 100 epochs.
Expected: not measured here yet; no published number is known for this very file.
Tuned:    no; width, batch, step size and dropout are those of ml1m_sasrec_plus. An answer sees 60
          events before the last.
Paper:    Yuan et al., "A Simple Convolutional Generative Network for Next Item Recommendation",
          WSDM 2019.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.nextitnet import NextItNetConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=NextItNetConfig(
            embed_dim=64, dilations=(1, 2, 4, 8), num_repeats=2, dropout=0.1, history_length=200
        ),
        objective=FullSoftmax(),
        batches=PackedSequences(batch_size=64, length=200),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10),
    )
