"""Matrix factorisation on MovieLens-100K by BPR: leave-one-out, the full catalogue.

Command:  jaxrec train ml100k_mf
          jaxrec train ml100k_mf --data.format csv --data.path FILE
Time:     under 20 seconds on two CPU cores.
Expected: test NDCG@10 .068 (seed 0), fitted on train, chosen on validation.
Tuned:    on validation NDCG@10, seed 0: 5 trials of loss (BPR with 1 or 4 negatives, softmax),
          learning rate (1e-3, 3e-3) and weight decay (1e-3 to 1).
Paper:    Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import Bpr
from jaxrec.optimizer import Adam
from jaxrec.space import Choice, Float, Int, Range
from jaxrec.train_step import TrainConfig


def get_space() -> dict[str, Range]:
    return {
        "model.embed_dim": Choice((32, 64, 128)),
        "objective.negatives.num": Int(1, 8),
        "optimizer.learning_rate": Float(1e-3, 1e-2, log=True),
        "optimizer.weight_decay": Float(0.03, 3.0, log=True),
    }


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-100k"),
        model=MatrixFactorizationConfig(embed_dim=64),
        objective=Bpr(Uniform(4)),
        batches=Pairs(batch_size=1024),
        optimizer=Adam(learning_rate=3e-3, weight_decay=0.3),
        train=TrainConfig(epochs=80, patience=8),
    )
