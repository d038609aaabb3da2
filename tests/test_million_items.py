"""An evaluation over a million items stays within a small memory budget."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec import evaluate
from jaxrec.data.interactions import Dataset, Interactions, Vocabulary
from jaxrec.data.prepare import Prepared
from jaxrec.data.splits import Split
from jaxrec.metrics.protocol import Protocol

LAST, BUDGET = 10**6, 2**25


@dataclasses.dataclass(frozen=True)
class Factors:
    """The variables are users' and items' factors."""

    history_length: int | None = 0

    def precompute(self, variables, catalogue):
        return variables

    def scores(self, variables, batch, items=None):
        users, of_items = variables
        return users[batch.user] @ of_items.T

    def predict(self, variables, batch):
        raise NotImplementedError


def prepared():
    """Five users, who met item 5 and are asked for item 7."""
    user, item = np.repeat(np.arange(1, 6), 2), np.tile([5, 7], 5)
    events = Interactions.build(user, item, None, np.arange(10), order="row")
    every = Vocabulary(np.arange(1, LAST + 1))
    events = dataclasses.replace(events, items=every, item=item.astype(np.int32))
    parts = (events.take(events.item == item) for item in (5, 0, 7))
    return Prepared(Dataset("wide", events), Split(*parts), (), (), {}, {}, [])


@pytest.mark.parametrize("seen", ["exclude", "zero"])
def test_a_million_items_hold_a_small_budget(monkeypatch, seen):
    asked, ask_chunk = [], evaluate._ask_chunk
    monkeypatch.setattr(evaluate, "_ask_chunk", lambda *x: asked.append(x) or ask_chunk(*x))
    variables = jnp.ones((6, 2)), jnp.ones((LAST + 1, 2)).at[7].set(2.0)
    protocol = Protocol(metrics=("ndcg@10", "coverage@10"), seen=seen, resamples=0)
    found = evaluate.evaluate(
        Factors(), variables, prepared(), "test", protocol, memory_budget=BUDGET
    )
    assert found.metrics["ndcg@10"] == 1
    assert len(asked) == 5, "one question at a time"
    used = ask_chunk.lower(*asked[0]).compile().memory_analysis().temp_size_in_bytes
    assert 4 * LAST < used < BUDGET
