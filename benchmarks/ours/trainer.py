"""A model that trains on, an epoch at a time, by the pieces of train.py."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrec.config import Config
from jaxrec.data.prepare import Prepared
from jaxrec.performance import measure
from jaxrec.sharding import replicate
from jaxrec.train import plan_steps
from jaxrec.train_state import TrainState


class Trainer:
    """The state of a model, and what trains it on."""

    def __init__(self, config: Config, prepared: Prepared, keep_start: bool = False) -> None:
        self.plan = plan_steps(config, prepared, prepared.split.train, None)
        self.state: Any = self.plan.state
        self._start = jax.tree.map(jnp.copy, self.state) if keep_start else None

    def restart(self) -> None:
        """Go back to the first parameters, which the trainer must have been told to keep."""
        self.state = jax.tree.map(jnp.copy, self._start)

    def train(self, steps: int) -> TrainState:
        """Take so many steps in one call, and wait for them."""
        data, count = self.plan.batches.data, replicate(np.int32(steps), self.plan.mesh)
        self.state, _ = jax.block_until_ready(self.plan.run(self.state, data, count))
        return self.state

    def epochs(self, number: int = 1) -> TrainState:
        return self.train(number * self.plan.batches.steps_per_epoch)

    def program(self) -> str:
        """Give the text of the compiled steps."""
        run: Any = self.plan.run
        return run.lower(self.state, self.plan.batches.data, self._one()).compile().as_text()

    def matmul_seconds(self) -> float:
        """Give the seconds of a step's matrix products at the rate of a matmul, measured now."""
        plan = self.plan
        found = measure(plan.run, self.state, plan.batches.data, self._one(), plan.mesh)
        return sum(flops / found.rates[name] for name, flops in found.flops.items())

    def _one(self) -> Any:
        return replicate(np.int32(1), self.plan.mesh)
