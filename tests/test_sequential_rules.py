"""Sequential rules worked by hand; their weights against a loop stand in test_markov.py."""

import numpy as np
import pytest

from jaxrec.baselines.sequential_rules import SequentialRulesConfig
from jaxrec.data.interactions import Interactions
from jaxrec.data.resident import question_of
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.test_markov import known_of


def test_worked_by_hand():
    """1 is followed by 2 at 1, by 3 at 2 and 1, by 1 at 3; a second session adds 3 at 1."""
    events = Interactions.build([1, 1, 1, 1, 2, 2], [1, 2, 3, 1, 1, 3], order="row")
    batch = question_of(known_of(events), [[2, 1], [3, 3], [1, 2], []], 2)
    scores = SequentialRulesConfig(max_steps=3).fit(events).scores(batch)
    expected = [[1 / 3, 1, 1 / 2 + 1], [1, 0, 0], [1 / 2, 0, 1], [0, 0, 0]]
    np.testing.assert_allclose(scores[:, 1:], expected, rtol=1e-6)
    near = SequentialRulesConfig(max_steps=1).fit(events).scores(batch)
    np.testing.assert_allclose(near[:, 1:], [[0, 1, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]])


def test_bad_values_are_refused():
    with pytest.raises(InputError, match="max_steps"):
        SequentialRulesConfig(max_steps=0)


class TestSequentialRules(BaselineContract):
    config = SequentialRulesConfig()
