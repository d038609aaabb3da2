"""YouTube's DNN on Gowalla, on LightGCN's files: 10 % of train held out to choose the epoch.

Command:  jaxrec train gowalla_youtube_dnn
Time:     not measured here yet.
Expected: not measured here yet; published Recall@20 .1754, NDCG@20 .1473 (BARS).
Tuned:    no. The files have no order, so a batch shows the other items of the user, and what is
          read and what is scored share a table.
Paper:    Covington, Adams and Sargin, "Deep Neural Networks for YouTube Recommendations", RecSys
          2016.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.youtube_dnn import YouTubeDNNConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import SampledSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given(validation=0.1)),
        model=YouTubeDNNConfig(embed_dim=64, hidden_dims=(), tied=True, history_length=50),
        objective=SampledSoftmax(Uniform(2048, avoid_positives=False)),
        batches=Pairs(batch_size=4096, history_length=50, around=True),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(
            metrics=("recall@20", "ndcg@20"), monitor="ndcg@20", fit_on="train+validation"
        ),
        train=TrainConfig(epochs=30, patience=5),
    )
