"""BERT4Rec on Amazon Beauty, S3-Rec's file: leave-one-out, the full catalogue.

Command:  jaxrec train beauty_bert4rec
Time:     16 minutes on one CPU core.
Expected: test HR@10 .0664, NDCG@10 .0362 (seed 0); published .0347, .0170 (S3-Rec's table).
Tuned:    no; sizes are the BERT4Rec authors' for their own Beauty file, the step size S3-Rec's for
          its SASRec, the scale of matrices at the start BERT's. The fraction of masks, .4, and the
          dropout, .2, are less than the authors' .6 and .5. A row of 50 columns packs several
          users, so that an epoch takes 192 steps.
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
            embed_dim=64,
            num_layers=2,
            num_heads=2,
            mlp_ratio=4,
            dropout=0.2,
            kernel_scale=0.02,
            history_length=50,
        ),
        objective=MaskedItems(mask_fraction=0.4),
        batches=PackedSequences(batch_size=16, length=50, whole=True),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        # Two epochs: a validation takes a large part of one.
        train=TrainConfig(epochs=100, eval_every=384, patience=10),
    )
