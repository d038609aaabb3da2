"""How near a run comes to its machine: a step's work, the matmul rate, tables, memory, waiting."""

import functools
import math
import os
import re
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from jax.tree_util import keystr
from jaxtyping import Array, Int, PyTree

from jaxrec.data.sources.named import cache

TABLE = r"(^|/)embedding(/|$)"
"""Regular expression of the paths of embedding tables, and of what optimizers keep for them."""
SECONDS = 0.1
"""How long the matmul rate is measured."""


@dataclass(frozen=True)
class Performance:
    """What a step does, and what the machine could; flops and rates by the factors' dtype."""

    flops: dict[str, float]
    rates: dict[str, float]
    table_bytes: int

    def of_call(self, steps: int, seconds: float, waited: float) -> dict[str, float]:
        """Say what the log says of a compiled call; its shares are of its seconds."""
        seconds = max(seconds, 1e-9)
        at_best = sum(flops / self.rates[name] for name, flops in self.flops.items())
        return {
            "matmul_share": steps * at_best / seconds,
            "input_seconds": waited,
            "input_share": waited / seconds,
            "table_bytes": self.table_bytes,
            "peak_bytes": peak_memory()[0],
        }

    def headline(self, mesh: jax.sharding.Mesh) -> str:
        """Say in one line what a run starts with."""
        rates = ", ".join(f"{rate / 1e9:,.0f} GFLOP/s in {x}" for x, rate in self.rates.items())
        return (
            f"{mesh.size} × {mesh.devices.flat[0].device_kind}: matmul at {rates}, measured now; "
            f"{sum(self.flops.values()) / 1e9:,.3g} GFLOP of it a step; "
            f"tables of {self.table_bytes / 1e6:,.1f} MB with what the optimizer keeps of them"
        )

    def summary(
        self, calls: Sequence[dict[str, float]], first_step_seconds: float | None
    ) -> dict[str, Any]:
        """Lay out metrics.json's block from the log's lines of calls; matmul_share is a median."""
        calls = [line for line in calls if "matmul_share" in line]  # an older jaxrec's have none
        waited, busy = (sum(line[name] for line in calls) for name in ("input_seconds", "seconds"))
        shares = [line["matmul_share"] for line in calls]
        return {
            "first_step_seconds": first_step_seconds,
            "matmul_share": statistics.median(shares) if shares else None,
            "matmul_flops_per_second": self.rates,
            "matmul_flops_per_step": self.flops,
            "table_bytes": self.table_bytes,
            "peak_bytes": max((line["peak_bytes"] for line in calls), default=None),
            "peak_bytes_of": peak_memory()[1],
            "input_seconds": waited,
            "input_share": waited / max(busy, 1e-9),
        }


def measure(
    steps: Any, state: Any, data: PyTree, n: Int[Array, ""], mesh: jax.sharding.Mesh
) -> Performance:
    """Look at jitted steps, which are traced here and not run, and at the machine."""
    flops = matmul_flops(steps.trace(state, data, n).jaxpr.jaxpr)
    rates = {name: matmul_rate(mesh, name) for name in flops or ("float32",)}
    return Performance(flops, rates, table_bytes((state.params, state.opt_state, state.ema)))


def matmul_flops(jaxpr: Any) -> dict[str, float]:
    """Count the operations of all matrix products of floats, by the dtype of their factors.

    A scan's body counts as often as it runs. A while loop's body counts once, for how often it
    runs is data: of train_step.py, whose outer loop runs over steps, this is the work of a step.
    Of a cond's branches the first that has the most counts.

    XLA's own analysis (jax 0.10.2: `compiled.cost_analysis()`) counts the body of any loop once, so
    the chunks of a softmax as one. What custom kernels multiply (Pallas, cuDNN) is not seen.
    """
    found: Counter[str] = Counter()
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            factor = equation.invars[0].aval
            size = math.prod(equation.outvars[0].aval.shape)
            if jnp.issubdtype(factor.dtype, jnp.floating):
                depth = math.prod(factor.shape[axis] for axis in contracted)
                found[factor.dtype.name] += 2 * size * depth
            continue
        inner = [matmul_flops(part) for part in _jaxprs(equation.params.values())]
        if equation.primitive.name == "cond":
            inner = [max(inner, key=lambda flops: sum(flops.values()))]
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        for flops in inner:
            found.update({name: times * count for name, count in flops.items()})
    return dict(found)


def _jaxprs(values: Iterable[Any]) -> list[Any]:
    """Find the programs among an equation's parameters, open ones."""
    found = []
    for value in values:
        for part in value if isinstance(value, tuple | list) else (value,):
            part = getattr(part, "jaxpr", part)
            if hasattr(part, "eqns"):
                found.append(part)
    return found


@functools.cache
def matmul_rate(mesh: jax.sharding.Mesh, dtype: str) -> float:
    """Measure, once a process, the operations a second of a square product on all devices."""
    size = 1024 if mesh.devices.flat[0].platform == "cpu" else 8192
    by_rows = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    right = jnp.ones((size, size), dtype)
    left = jax.device_put(jnp.ones((size * mesh.size, size), dtype), by_rows)
    right = jax.device_put(right, NamedSharding(mesh, PartitionSpec()))
    multiply = jax.jit(jnp.matmul, out_shardings=by_rows)
    multiply(left, right).block_until_ready()
    best, end = math.inf, time.perf_counter() + SECONDS
    while best == math.inf or time.perf_counter() < end:
        began = time.perf_counter()
        multiply(left, right).block_until_ready()
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 * mesh.size / best


def table_bytes(tree: PyTree) -> int:
    """Count the bytes of embedding tables, each counted once however many devices share it."""
    return sum(
        leaf.nbytes
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if re.search(TABLE, keystr(path, simple=True, separator="/"))
    )


def peak_memory() -> tuple[int, str]:
    """Give the most bytes in use so far, and of what: the device where it tells, or the process."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"], "device"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024), "process"


def cache_compilations() -> None:
    """Keep compiled programs in the user's cache, so that the next process starts at once.

    The commands call it. From Python, call it before anything is compiled. It leaves a cache alone
    that JAX_COMPILATION_CACHE_DIR names. Small programs are kept too: a run has some twenty, and
    without them a second run starts a third of a second later, on two cores.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(cache() / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
