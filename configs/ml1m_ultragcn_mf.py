"""Matrix factorisation by BPR on UltraGCN's files of MovieLens-1M, the full catalogue.

Command:  jaxrec train ml1m_ultragcn_mf
Time:     under a minute on two CPU cores.
Expected: test Recall@20 .251 ± .001, NDCG@20 .245 ± .001 (seeds 0, 1, 2). freerec has .2532, .2440.
Tuned:    jaxrec tune ml1m_ultragcn_mf --data.split.validation 0.1, over the space below without the
          moving average: trial 0 of 12, seed 0 (validation NDCG@20 .1833), at batches of 8,192 and
          one negative. Three more runs changed batches, learning rate and initial scale (.184 at
          best), one the negatives (4: .1875); the moving average and its epochs (.1873) were chosen
          on validation, too.
Paper:    Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import Bpr
from jaxrec.optimizer import Adam
from jaxrec.space import Float, Range
from jaxrec.train_step import TrainConfig


def get_space() -> dict[str, Range]:
    return {
        "optimizer.learning_rate": Float(1e-3, 1e-2, log=True),
        "optimizer.weight_decay": Float(0.05, 1.0, log=True),
    }


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ultragcn", split=Given()),
        model=MatrixFactorizationConfig(embed_dim=64),
        objective=Bpr(Uniform(1)),
        batches=Pairs(batch_size=8192),
        optimizer=Adam(learning_rate=3e-3, weight_decay=0.3),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
        train=TrainConfig(epochs=70, patience=None, ema_decay=0.999),
    )
