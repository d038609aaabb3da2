"""NARM on Diginetica, SR-GNN's sessions: every next item, the full catalogue.

Command:  jaxrec train diginetica_narm
Time:     not measured here yet; 10 epochs, since the files have no validation part.
Expected: not measured here yet; no published row on this very file is verified.
Tuned:    no; 50-dimensional items, 100 units and the dropouts are the paper's; its full softmax
          over 43,097 items became one over 2048 samples. Batches and step size are those of
          diginetica_gru4rec, which says why.
Paper:    Li et al., "Neural Attentive Session-based Recommendation", CIKM 2017.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.narm import NARMConfig
from jaxrec.negatives import Popularity
from jaxrec.objectives import SampledSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="diginetica", split=Given()),
        model=NARMConfig(
            embed_dim=50, hidden_dim=100, dropout=0.25, context_dropout=0.5, history_length=30
        ),
        objective=SampledSoftmax(Popularity(2048, power=0.5, avoid_positives=False)),
        batches=PackedSequences(batch_size=16, length=30),
        optimizer=Adam(learning_rate=2e-3),
        protocol=Protocol(
            metrics=("recall@20", "mrr@20"),
            monitor="mrr@20",
            seen="keep",
            averaged_over="events",
            min_history=1,
        ),
        train=TrainConfig(epochs=10, patience=None),
    )
