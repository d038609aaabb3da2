"""Mixture of logits on UltraGCN's files of MovieLens-1M: 10 % of train chooses the epoch.

Command:  jaxrec train ml1m_ultragcn_mol
Time:     not measured here yet.
Expected: not measured here yet; no published row on these files. Matrix factorisation by BPR has
          Recall@20 .2532, NDCG@20 .2440 (freerec).
Tuned:    no; temperature and 128 draws are those of the authors' later code on MovieLens-1M, which
          has more vectors and a sequence model below them.
Paper:    Zhai et al., "Revisiting Neural Retrieval on Accelerators", KDD 2023.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.learned_similarity import MixtureOfLogits
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.mol import MoLConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import SampledSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ultragcn", split=Given(validation=0.1)),
        model=MoLConfig(
            embed_dim=64,
            hidden_dims=(),
            similarity=MixtureOfLogits(user_parts=4, item_parts=2, part_dim=32, gate_dim=32),
            history_length=0,
        ),
        objective=SampledSoftmax(Uniform(128, avoid_positives=False)),
        batches=Pairs(batch_size=2048),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(
            metrics=("recall@20", "ndcg@20"), monitor="ndcg@20", fit_on="train+validation"
        ),
        train=TrainConfig(epochs=60, patience=5),
    )
