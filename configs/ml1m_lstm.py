"""An LSTM on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_lstm
Time:     not measured here yet; at most 100 epochs.
Expected: not measured here yet; no published row on this very file is verified.
Tuned:    no; all but the cell is ml1m_gru4rec's.
Paper:    Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 1997; for the
          rest, Hidasi et al., ICLR 2016, with the full softmax.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.lstm import LSTMConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=LSTMConfig(embed_dim=64, dropout=0.1, history_length=200),
        objective=FullSoftmax(),
        batches=PackedSequences(batch_size=64, length=200),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10),
    )
