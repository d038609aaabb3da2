"""BERT4Rec on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_bert4rec
Time:     103 minutes on half of a CPU core (120 epochs, still rising).
Expected: test HR@10 .2901, NDCG@10 .1601 (seed 0); published .2821 to .2843, .1516 to .1537.
          NDCG@10 on validation rises slowly: .0945 after 10 epochs, .1244 after 20, .1503 after 52,
          .1631 after 117.
Tuned:    the step size, on validation, of two that ran for six epochs: 1e-3, which is Klenitskiy
          and Vasilev's (RecSys 2023, .2843), had .0596 there. Sizes, dropout and the fraction of
          masks are the authors'. 16 packed rows hold the events of about 29 users, so that an epoch
          takes 205 steps.
Paper:    Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder
          Representations from Transformer", CIKM 2019; Petrov and Macdonald, "A Systematic Review
          and Replicability Study of BERT4Rec", RecSys 2022.
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
        data=DataConfig(path="sasrec-ml-1m"),
        model=BERT4RecConfig(
            embed_dim=64, num_layers=2, num_heads=2, mlp_ratio=4, dropout=0.2, history_length=200
        ),
        objective=MaskedItems(mask_fraction=0.2),
        batches=PackedSequences(batch_size=16, length=200, whole=True),
        optimizer=Adam(learning_rate=2e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        # Two epochs: a validation takes a third of one.
        train=TrainConfig(epochs=120, eval_every=410, patience=10),
    )
