"""HSTU on MovieLens-1M, the file of SASRec: leave-one-out, full softmax.

Command:  jaxrec train ml1m_hstu
Time:     not measured here yet; at most 100 epochs.
Expected: not measured here yet; no published row on this very file.
Tuned:    no; width, units and dropout are those of ml1m_sasrec_plus.
Paper:    Zhai et al., "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers
          for Generative Recommendations", ICML 2024.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.hstu import HSTUConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=HSTUConfig(embed_dim=64, num_layers=2, num_heads=1, dropout=0.1, history_length=200),
        objective=FullSoftmax(),
        batches=PackedSequences(batch_size=64, length=200),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        # Two epochs: a validation takes a tenth of one.
        train=TrainConfig(epochs=100, eval_every=102, patience=5),
    )
