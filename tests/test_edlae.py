"""EDLAE against its closed form."""

import numpy as np
import pytest

from jaxrec.baselines.ease import EASEConfig
from jaxrec.baselines.edlae import EDLAEConfig
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.linear import all_scores, dense, random_events


class TestEDLAE(BaselineContract):
    config = EDLAEConfig(dropout=0.3, l2=10.0)


def test_equal_to_the_closed_form():
    events = random_events()
    met = dense(events)
    shared = met.T @ met
    penalty = 0.4 / 0.6 * np.diag(np.diag(shared)) + 3 * np.eye(len(shared))
    inverse = np.linalg.inv(shared + penalty)
    weights = np.eye(len(shared)) - inverse / np.diag(inverse)
    scores = all_scores(EDLAEConfig(dropout=0.4, l2=3.0).fit(events), events)
    np.testing.assert_allclose(scores, met @ weights, rtol=1e-3, atol=1e-4)


def test_without_dropout_it_is_ease():
    events = random_events()
    np.testing.assert_array_equal(
        EDLAEConfig(dropout=0.0, l2=5.0).fit(events).matrix, EASEConfig(l2=5.0).fit(events).matrix
    )


@pytest.mark.parametrize("fields", [{"dropout": 1.0}, {"l2": 0.0}, {"neighbours": 0}])
def test_bad_values_are_refused(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        EDLAEConfig(**fields)
