"""What a run says of its machine: work counted by hand, bytes, shares, rates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.performance import (
    Performance,
    cache_compilations,
    matmul_flops,
    matmul_rate,
    peak_memory,
    table_bytes,
)
from jaxrec.sharding import make_mesh

A, B = jnp.ones((2, 3)), jnp.ones((3, 5))
ONCE = 2 * 2 * 3 * 5


def flops(fn, *args):
    return matmul_flops(jax.make_jaxpr(fn)(*args).jaxpr)


def test_a_product_is_two_operations_an_entry_and_factor():
    assert flops(jnp.matmul, A, B) == {"float32": ONCE}
    batched = jnp.ones((7, 2, 3)), jnp.ones((7, 3, 5))
    assert flops(jax.jit(jnp.matmul), *batched) == {"float32": 7 * ONCE}
    assert flops(lambda a, b: a.astype(jnp.bfloat16) @ b.astype(jnp.bfloat16), A, B) == {
        "bfloat16": ONCE
    }
    assert flops(lambda a: a + 1, A) == {}
    assert flops(lambda n: jnp.ones((2, 2), int) @ jnp.ones((2, 2), int) + n, 1) == {}


def test_a_scan_counts_as_often_as_it_runs_and_a_while_loop_once():
    square = jnp.ones((4, 4))

    def chunks(x):
        return jax.lax.scan(lambda y, _: (jax.checkpoint(jnp.matmul)(y, square), None), x, length=6)

    def calls(x, n):
        return jax.lax.fori_loop(0, n, lambda _, y: chunks(y)[0], x)

    assert flops(chunks, square) == {"float32": 6 * 2 * 4**3}
    assert flops(calls, square, 9) == {"float32": 6 * 2 * 4**3}


def test_a_gradient_is_counted_and_the_costlier_branch():
    def loss(a):
        return jax.lax.cond(a[0, 0] > 0, lambda: (a @ B).sum(), lambda: a.sum())

    assert flops(loss, A) == {"float32": ONCE}
    assert flops(jax.grad(loss), A)["float32"] >= ONCE


def test_xla_counts_a_loop_once_which_is_why_we_count():
    def chunks(x):
        return jax.lax.fori_loop(0, 10, lambda _, y: y @ x, x)

    x = jnp.ones((16, 16))
    by_xla = jax.jit(chunks).lower(x).compile().cost_analysis()["flops"]
    assert by_xla < 2 * flops(chunks, x)["float32"] / 10


def test_tables_are_found_with_what_the_optimizer_keeps_of_them():
    params = {"item_vector": {"embedding": np.ones((4, 2), np.float32)}, "kernel": np.ones((9, 9))}
    moments = {"mu": params, "rows": {"item_vector": {"embedding": np.ones(4, np.float32)}}}
    assert table_bytes((params, moments, None)) == 4 * (8 + 8 + 4)


def test_shares_are_of_the_time_that_a_call_took():
    performance = Performance({"float32": 50.0, "bfloat16": 40.0}, _RATES, 7)
    values = performance.of_call(steps=10, seconds=4.0, waited=1.0)
    assert values["matmul_share"] == pytest.approx(10 * (50 / 100 + 40 / 400) / 4)
    assert (values["input_seconds"], values["input_share"], values["table_bytes"]) == (1, 0.25, 7)
    assert values["peak_bytes"] == peak_memory()[0]
    lines = [values | {"seconds": 4.0}] * 3
    found = performance.summary(lines, 2.5)
    assert found["input_seconds"] == 3
    assert found["input_share"] == 0.25
    assert found["matmul_share"] == values["matmul_share"]
    assert performance.summary([], None)["matmul_share"] is None


_RATES = {"float32": 100.0, "bfloat16": 400.0}


def test_the_rate_is_measured_once_and_said():
    mesh = make_mesh()
    rate = matmul_rate(mesh, "float32")
    assert rate > 1e8
    assert matmul_rate(mesh, "float32") == rate
    line = Performance({"float32": 2e9}, {"float32": rate}, 10**6).headline(mesh)
    assert f"{rate / 1e9:,.0f} GFLOP/s in float32" in line
    assert "2 GFLOP of it a step" in line


def test_the_peak_of_the_process_is_in_bytes_and_never_falls():
    peak, source = peak_memory()
    assert source == "process"
    assert peak > 10**8, "Python with JAX takes more"
    assert peak_memory()[0] >= peak


def test_small_programs_are_cached_where_the_user_names_no_cache(tmp_path, monkeypatch):
    set_to = {}
    monkeypatch.setattr(jax.config, "update", lambda name, value: set_to.update({name: value}))
    cache_compilations()
    assert not set_to, "the tests name a cache of their own"
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache_compilations()
    assert set_to["jax_compilation_cache_dir"].startswith(str(tmp_path))
    assert set_to["jax_persistent_cache_min_compile_time_secs"] == 0
