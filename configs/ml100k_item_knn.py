"""Item neighbourhoods by cosine on MovieLens-100K: leave-one-out, the full catalogue.

Command:  jaxrec train ml100k_item_knn
Time:     a few seconds on two CPU cores.
Expected: test NDCG@10 .061, fitted on train, chosen on validation (.0720).
Tuned:    jaxrec tune ml100k_item_knn --model.neighbours None --model.shrinkage 0, which is over the
          space below: trial 17 of 20, seed 0. Untuned (every neighbour, no shrinkage: trial 0) it
          has .0712 on validation and .056 on test. On test, 10 neighbours once had .069; validation
          does not choose so few (.0652 with 8).
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
    return Config(
        data=DataConfig(path="ml-100k"), model=ItemKNNConfig(neighbours=292, shrinkage=0.118)
    )
