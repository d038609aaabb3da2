"""gSASRec on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_gsasrec
Time:     not run to its end; 35 seconds an epoch on one CPU core.
Expected: not measured here yet; published test HR@10 .3003, NDCG@10 .1726. Training lingers where
          items are ranked by popularity: after 16 epochs validation NDCG@10 was .0187 (stopped by
          hand). It got there in six; no sooner in trials of a few epochs with a dropout of .2,
          matrices that start at .02, or a table that starts at .1, but in three with negatives of
          each target's own (--objective.no-shared --objective.whole), at twice the time an epoch.
Tuned:    no; the sizes, dropout, number of negatives and t are the published ones. Made for two
          CPU cores: a batch shares 256 negatives, where theirs draws so many for each target, and
          is a quarter of theirs (16 packed rows hold about as many targets as 32 users), with a
          moving average, so that fewer epochs may do: their patience is 200 of at most 100 batches.
          Their table of items that scores is another than the one that embeds the history; here
          the two are one.
Paper:    Petrov and Macdonald, "gSASRec: Reducing Overconfidence in Sequential Recommendation
          Trained with Negative Sampling", RecSys 2023; numbers of asash/gSASRec-pytorch.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import Gbce
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=SASRecConfig(
            embed_dim=128, num_layers=2, num_heads=1, mlp_ratio=1, dropout=0.5, history_length=200
        ),
        objective=Gbce(Uniform(256, avoid_positives=False), calibration=0.75, shared=True),
        batches=PackedSequences(batch_size=16, length=200),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        # Two epochs: a validation takes a tenth of one.
        train=TrainConfig(epochs=80, eval_every=408, patience=5, ema_decay=0.998),
    )
