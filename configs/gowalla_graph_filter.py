"""A sharpened graph filter on Gowalla, by LightGCN's protocol, a tenth of train held out.

Command:  jaxrec train gowalla_graph_filter
Time:     not measured here yet.
Expected: not measured here yet; published at best test Recall@20 .1920, NDCG@20 .1597 (BSPM).
Tuned:    on validation, of 1,000 or 2,000 of its users.
Paper:    see jaxrec/baselines/graph_filter.py.
"""

from jaxrec.baselines.graph_filter import GraphFilterConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.space import Float, Range


def get_space() -> dict[str, Range]:
    return {
        "model.user_power": Float(0.1, 0.5),
        "model.item_power": Float(0.3, 0.7),
        "model.tilt": Float(0.0, 0.5),
        "model.sharpening": Float(0.0, 1.5),
    }


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given(validation=0.1)),
        model=GraphFilterConfig(user_power=0.25, item_power=0.5, tilt=0.3, sharpening=0.9),
        protocol=Protocol(
            metrics=("recall@20", "ndcg@20"), monitor="ndcg@20", fit_on="train+validation"
        ),
    )
