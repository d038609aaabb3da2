"""Random walks of three steps, P3alpha, on Gowalla, by the protocol of LightGCN.

Command:  jaxrec train gowalla_p3alpha
Time:     about 15 s on two CPU cores.
Expected: test Recall@20 .1829, NDCG@20 .1520; not tuned: alpha and neighbours are those of
          gowalla_rp3beta, whose beta is nearly 0.
Paper:    Cooper et al., "Random Walks in Recommender Systems", WWW 2014; IntentAwareRS publishes
          .175 and .146 with other hyperparameters.
"""

from jaxrec.baselines.p3alpha import P3AlphaConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given()),
        model=P3AlphaConfig(alpha=0.5663561621452378, neighbours=777),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
    )
