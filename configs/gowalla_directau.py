"""DirectAU on Gowalla, LightGCN's files: 10 % of train chooses the epoch.

Command:  jaxrec train gowalla_directau
          As published, the epoch being chosen on test (the files have no validation part):
          --data.split.validation 0 --protocol.select-on test --protocol.fit-on train
Time:     not measured here yet.
Expected: not measured here yet; no published row on these files; the paper prepares
          Gowalla in another way.
Tuned:    no; γ is the paper's for Gowalla, from memory.
Paper:    Wang et al., "Towards Representation Alignment and Uniformity in Collaborative
          Filtering", KDD 2022.
"""

from jaxrec.alignment import DirectAU
from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.directau import DirectAUConfig
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given(validation=0.1)),
        model=DirectAUConfig(embed_dim=64),
        objective=DirectAU(uniformity_weight=5.0),
        batches=Pairs(batch_size=1024),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(
            metrics=("recall@20", "ndcg@20"), monitor="ndcg@20", fit_on="train+validation"
        ),
        train=TrainConfig(epochs=100, patience=10),
    )
