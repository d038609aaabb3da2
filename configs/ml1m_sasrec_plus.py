"""SASRec with the full softmax ("SASRec+") on MovieLens-1M, the file of SASRec: leave-one-out.

Command:  jaxrec train ml1m_sasrec_plus
Time:     an epoch of these sizes with two heads took 11.4 s on two CPU cores (sasrec_64_ml1m of
          benchmarks/throughput.py); at most 100 epochs.
Expected: test HR@10 .3084, NDCG@10 .1763 (seed 0); published .3152, .1821.
Tuned:    no; the sizes, dropout and step size are the published ones. A batch of 64 packed rows
          holds about as many targets as their 128 users.
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
        data=DataConfig(path="sasrec-ml-1m"),
        model=SASRecConfig(
            embed_dim=64, num_layers=2, num_heads=1, mlp_ratio=1, dropout=0.1, history_length=200
        ),
        objective=FullSoftmax(),
        batches=PackedSequences(batch_size=64, length=200),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        # Two epochs: a validation takes a tenth of one.
        train=TrainConfig(epochs=100, eval_every=102, patience=5),
    )
