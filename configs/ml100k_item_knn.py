"""Item neighbourhoods by cosine on MovieLens-100K: leave-one-out, the full catalogue.

Command:  jaxrec train ml100k_item_knn
Time:     a few seconds on two CPU cores.
Expected: test NDCG@10 .056; not tuned (10 neighbours gave .069 in one trial).
Paper:    Sarwar et al., "Item-Based Collaborative Filtering Recommendation Algorithms", WWW 2001;
          top-k neighbours of Deshpande and Karypis, TOIS 2004.
"""

from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.space import Choice, Float, Int, Range


def get_space() -> dict[str, Range]:
    return {
        "model.similarity": Choice(("cosine", "dot")),
        "model.neighbours": Int(5, 1000, log=True),
        "model.shrinkage": Float(0.1, 1000.0, log=True),
        "model.normalise": Choice((False, True)),
    }


def get_config() -> Config:
    return Config(data=DataConfig(path="ml-100k"), model=ItemKNNConfig())
