"""The protocol's names and limits."""

import pytest

from jaxrec.errors import InputError
from jaxrec.metrics.protocol import Metric, Protocol, parse_metric


def test_metric_names_are_read():
    assert parse_metric("ndcg@10") == Metric("ndcg", 10)
    assert parse_metric("popularity_bias@5") == Metric("popularity_bias", 5)
    assert parse_metric("auc") == Metric("auc", None)


@pytest.mark.parametrize("name", ["ndgc@10", "ndcg", "ndcg@0", "ndcg@-1", "rmse@10", "auc@5", ""])
def test_unknown_metrics_are_refused_with_the_known_ones(name):
    with pytest.raises(InputError, match="hit_rate@k"):
        parse_metric(name)


@pytest.mark.parametrize(
    "fields",
    [
        {"metrics": ("hits@3",)},
        {"monitor": "loss"},
        {"num_candidates": 0},
        {"min_history": -1},
        {"max_users": 0},
        {"resamples": -1},
        {"confidence": 1.0},
        {"clip": (5.0, 1.0)},
    ],
)
def test_bad_values_are_refused(fields):
    with pytest.raises(InputError, match=str(next(iter(fields.values()))).strip("()',")[:4]):
        Protocol(**fields)
