"""SASRec on Diginetica, SR-GNN's sessions: every next item, the full catalogue.

Command:  jaxrec train diginetica_sasrec
Time:     not measured here yet; 10 epochs, since the files have no validation part.
Expected: not measured here yet; no published row on this very file is verified.
Tuned:    no; width, samples, epochs, batches and step size are those of diginetica_gru4rec, which
          says why.
Paper:    Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018; here with a
          softmax over samples.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import Popularity
from jaxrec.objectives import SampledSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="diginetica", split=Given()),
        model=SASRecConfig(
            embed_dim=100, num_layers=2, num_heads=1, mlp_ratio=1, dropout=0.3, history_length=30
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
