"""Session neighbours (V-SKNN) on Diginetica, SR-GNN's sessions: every next item, all items.

Command:  jaxrec train diginetica_session_knn
Time:     under two minutes on two CPU cores.
Expected: test Recall@20 .5127, MRR@20 .1827.
Tuned:    on MRR@20 of the last 2,500 training sessions, trained on those before: 7 trials of
          neighbours (50 to 500), sample size, weighting, decay and idf weight. The best, this one
          (.1919), is what the authors' repository (rn5l/session-rec) gives for Diginetica.
Paper:    Ludewig and Jannach, "Evaluation of Session-based Recommendation Algorithms", UMUAI 2018.
"""

from jaxrec.baselines.session_knn import SessionKNNConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="diginetica", split=Given()),
        model=SessionKNNConfig(
            neighbours=50, sample_size=2500, weighting="div", decay="linear", idf_weight=10.0
        ),
        protocol=Protocol(
            metrics=("recall@20", "mrr@20"),
            monitor="mrr@20",
            seen="keep",
            averaged_over="events",
            min_history=1,
        ),
    )
