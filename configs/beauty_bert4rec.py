"""BERT4Rec on Amazon Beauty, S3-Rec's file: leave-one-out, the full catalogue.

Command:  jaxrec train beauty_bert4rec
Time:     not measured here yet; at most 200 epochs.
Expected: not measured here yet; published test HR@10 .0347, NDCG@10 .0170 (S3-Rec's table).
Tuned:    no; sizes, dropout and the fraction of masks are the BERT4Rec authors' for their own
          Beauty file, the step size and epochs S3-Rec's for its SASRec. A row of 50 columns packs
          several users.
Paper:    Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder
          Representations from Transformer", CIKM 2019; Zhou et al., "S3-Rec", CIKM 2020.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.bert4rec import BERT4RecConfig
from jaxrec.objectives import MaskedItems
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=BERT4RecConfig(
            embed_dim=64, num_layers=2, num_heads=2, mlp_ratio=4, dropout=0.5, history_length=50
        ),
        objective=MaskedItems(mask_fraction=0.6),
        batches=PackedSequences(batch_size=64, length=50, whole=True),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=200, patience=20),
    )
