"""UltraGCN on MovieLens-1M, on its authors' files: 10 % of train held out to choose the epoch.

Command:  jaxrec train ml1m_ultragcn_ultragcn
          As published, the epoch being chosen on test (the files have no validation part):
          --data.split.validation 0 --protocol.select-on test --protocol.fit-on train
Time:     65 minutes with the refit, of one CPU core that tests took for a third of them.
Expected: test Recall@20 .2686, NDCG@20 .2588 (seed 0); published .2787, .2642, chosen on test.
Tuned:    no; the authors' width, rate, batch, negatives, weights and penalties. The 200 negatives
          are those of a batch here, not of each event: a step takes a third of the time.
Paper:    Mao et al., "UltraGCN: Ultra Simplification of Graph Convolutional Networks for
          Recommendation", CIKM 2021.
"""

from jaxrec.config import Config
from jaxrec.constraints import GraphConstraints
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.ultragcn import UltraGCNConfig
from jaxrec.negatives import Uniform
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ultragcn", split=Given(validation=0.1)),
        model=UltraGCNConfig(embed_dim=128, scale=1e-3),
        objective=GraphConstraints(
            Uniform(200),
            negative_weight=200.0,
            neighbour_weight=1e-3,
            decay=1e-4,
            shared=True,
        ),
        batches=Pairs(batch_size=1024),
        # The authors' loss is a sum over the batch, ours its mean: so is Adam's epsilon.
        optimizer=Adam(learning_rate=1e-3, eps=1e-11),
        protocol=Protocol(
            metrics=("recall@20", "ndcg@20"), monitor="ndcg@20", fit_on="train+validation"
        ),
        train=TrainConfig(epochs=120, patience=15),
    )
