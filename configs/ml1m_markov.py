"""A Markov chain on SASRec's file of MovieLens-1M: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_markov
          jaxrec train ml1m_markov --protocol.fit-on train+validation
Time:     under half a minute on two CPU cores.
Expected: test HR@10 .216, NDCG@10 .127; fitted on train and validation .218, .127.
Paper:    Rendle et al., "Factorizing Personalized Markov Chains", WWW 2010, for the counts;
          Sarwar et al., "Item-Based Collaborative Filtering", WWW 2001, for the ties.
"""

from jaxrec.baselines.markov import MarkovConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=MarkovConfig(),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10")),
    )
