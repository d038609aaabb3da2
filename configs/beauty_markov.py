"""A Markov chain on Amazon Beauty, S3-Rec's file: leave-one-out, the full catalogue.

Command:  jaxrec train beauty_markov
          jaxrec train beauty_markov --protocol.fit-on train+validation
Time:     under half a minute on two CPU cores.
Expected: test HR@10 .0772, NDCG@10 .0503; fitted on train and validation .0866, .0571.
          These are the anchors of any sequential claim on this file.
Paper:    Rendle et al., "Factorizing Personalized Markov Chains", WWW 2010, for the counts;
          Sarwar et al., "Item-Based Collaborative Filtering", WWW 2001, for the ties.
"""

from jaxrec.baselines.markov import MarkovConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=MarkovConfig(),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10")),
    )
