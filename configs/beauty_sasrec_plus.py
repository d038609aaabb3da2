"""SASRec with the full softmax ("SASRec+") on Amazon Beauty, S3-Rec's file: leave-one-out.

Command:  jaxrec train beauty_sasrec_plus
Time:     about 10 minutes on one busy core.
Expected: test HR@10 .0947 ± .0006, NDCG@10 .0572 ± .0005 (seeds 0, 1, 2); published .0928, .0531.
Tuned:    on validation NDCG@10 by three trials of seed 0, at most 40 epochs, patience 6: 64 factors
          without the moving average (.0691), with it and rotary positions (.0699), and 128 factors
          with it (.0713, this one). The settings before them, of beauty_sasrec_ss: .0617 to .0694.
Paper:    Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018; with the full
          softmax of Klenitskiy and Vasilev, "Turning Dross Into Gold Loss: is BERT4Rec really
          better than SASRec?", RecSys 2023.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=SASRecConfig(
            embed_dim=128, num_layers=1, num_heads=1, mlp_ratio=1, dropout=0.5, history_length=50
        ),
        objective=FullSoftmax(),
        batches=PackedSequences(batch_size=16, length=50),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=40, patience=6, ema_decay=0.998),
    )
