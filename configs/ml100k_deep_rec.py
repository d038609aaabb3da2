"""The plain deep recommender on MovieLens-100K: two towers over the features of users and films.

Command:  jaxrec train ml100k_deep_rec
Time:     under a minute on two CPU cores.
Expected: test NDCG@10 .061 or .063 (seed 0, on two machines), fitted on train, chosen on
          validation.
Tuned:    on validation NDCG@10, seed 0: 4 trials of dropout, weight decay and similarity.
Paper:    the two towers of Covington, Adams and Sargin, "Deep Neural Networks for YouTube
          Recommendations", RecSys 2016, without their candidate's history.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.models.deep_rec import DeepRecConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import BinaryCrossEntropy
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-100k"),
        model=DeepRecConfig(embed_dim=64),
        objective=BinaryCrossEntropy(negatives=Uniform(4)),
        batches=Pairs(batch_size=1024),
        optimizer=Adam(learning_rate=1e-3),
        train=TrainConfig(epochs=40, patience=8),
    )
