"""Random walks of three steps, less to popular places, RP3beta, on Gowalla, by LightGCN's protocol.

Command:  jaxrec train gowalla_rp3beta
Time:     about 15 s on two CPU cores.
Expected: test Recall@20 .1829, NDCG@20 .1520, as published.
Paper:    Paudel et al., "Updatable, Accurate, Diverse, and Scalable Recommendations for Interactive
          Applications", TiiS 2017; numbers of IntentAwareRS, hyperparameters of Anelli et al.,
          "Challenging the Myth of Graph Collaborative Filtering", RecSys 2023.
"""

from jaxrec.baselines.rp3beta import RP3BetaConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given()),
        model=RP3BetaConfig(alpha=0.5663561621452378, neighbours=777, beta=0.001085447926739258),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
    )
