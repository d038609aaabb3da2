"""The plain deep recommender on MovieLens-1M, which also reads the titles of films.

Command:  jaxrec train ml1m_ratings_deep_rec
Time:     not measured here yet.
Expected: not measured here yet.
Tuned:    no; the sizes are those of ml100k_deep_rec.
Paper:    the two towers of Covington, Adams and Sargin, "Deep Neural Networks for YouTube
          Recommendations", RecSys 2016; the titles by Kim, "Convolutional Neural Networks for
          Sentence Classification", EMNLP 2014.
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
        data=DataConfig(path="ml-1m", item_features=("title:tokens", "genres")),
        model=DeepRecConfig(embed_dim=64, text="cnn"),
        objective=BinaryCrossEntropy(negatives=Uniform(4)),
        batches=Pairs(batch_size=8192),
        optimizer=Adam(learning_rate=1e-3),
        train=TrainConfig(epochs=40, patience=5),
    )
