"""SimGCL on UltraGCN's files of MovieLens-1M, a tenth of train held out.

Command:  jaxrec train ml1m_ultragcn_simgcl
Time:     not measured here yet; a step propagates three times where LightGCN's does once.
Expected: not measured here yet; no row is published for this split.
Tuned:    not yet; the contrast's share and temperature are the authors', the rest is
          ml1m_ultragcn_lightgcn's.
Paper:    Yu et al., "Are Graph Augmentations Necessary? Simple Graph Contrastive Learning for
          Recommendation", SIGIR 2022.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.simgcl import SimGCLConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import Bpr
from jaxrec.optimizer import Adam
from jaxrec.regularisation import L2Penalty
from jaxrec.train_step import TrainConfig
from jaxrec.views import Nodes


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ultragcn", split=Given(validation=0.1)),
        model=SimGCLConfig(embed_dim=64, num_layers=3, noise=0.1),
        objective=Nodes(L2Penalty(Bpr(Uniform(1)), decay=1e-4 / 2048), share=0.1, temperature=0.2),
        batches=Pairs(batch_size=2048),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
        train=TrainConfig(epochs=50, eval_every=700, patience=5),
    )
