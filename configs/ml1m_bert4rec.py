"""BERT4Rec on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_bert4rec
Time:     not measured here yet; at most 200 epochs.
Expected: not measured here yet; published test HR@10 .2821 to .2843, NDCG@10 .1516 to .1537.
Tuned:    no; sizes, dropout and the fraction of masks are the authors', the step size, epochs and
          patience those of Klenitskiy and Vasilev (RecSys 2023), who measured .2843.
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
        batches=PackedSequences(batch_size=64, length=200, whole=True),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=200, patience=20),
    )
