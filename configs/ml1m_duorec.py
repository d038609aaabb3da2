"""DuoRec on MovieLens-1M, the file of SASRec: SASRec, and histories with the same target paired.

Command:  jaxrec train ml1m_duorec
Time:     not measured here yet.
Expected: not measured here yet; no row is published for this file.
Tuned:    no; the sizes and all else are those of ml1m_sasrec_plus, so that the two differ by the
          pairs alone, with the paper's λ. Its sequences are all the beginnings of a history, each
          with its target; here 256 of those of a batch are paired, the size of its batches.
Paper:    Qiu et al., "Contrastive Learning for Representation Degeneration Problem in Sequential
          Recommendation", WSDM 2022.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig
from jaxrec.views import SameTarget


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=SASRecConfig(
            embed_dim=64, num_layers=2, num_heads=1, mlp_ratio=1, dropout=0.1, history_length=200
        ),
        objective=SameTarget(FullSoftmax(), share=0.1, num_sequences=256),
        batches=PackedSequences(batch_size=64, length=200),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        # Two epochs: a validation takes a tenth of one.
        train=TrainConfig(epochs=100, eval_every=102, patience=5),
    )
