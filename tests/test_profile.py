"""The page on where a step goes: kinds and places from a program, times from a trace."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.performance import Performance
from jaxrec.profile import STEPS, Operation, Tracer, busy_times, by_itself, operations, union
from jaxrec.profile import write_page as page

PROGRAM = """HloModule jit_steps, is_scheduled=true

%fused_computation.1 (param_0: f32[4,2], param_1: f32[2,4]) -> f32[4,4] {
  %param_0 = f32[4,2]{1,0} parameter(0)
  %param_1 = f32[2,4]{1,0} parameter(1)
  %dot.1 = f32[4,4]{1,0} dot(%param_0, %param_1), metadata={op_name="jit(steps)/while/body/objective/transpose(jvp(M.score))/bqd,nd->bqn/dot_general"}
  ROOT %add.1 = f32[4,4]{1,0} add(%dot.1, %dot.1), metadata={op_name="jit(steps)/while/body/optimizer/add"}
}

%fused_computation.2 (param_2: u32[4]) -> u32[4] {
  %param_2 = u32[4]{0} parameter(0)
  ROOT %xor.1 = u32[4]{0} xor(%param_2, %param_2), metadata={op_name="jit(steps)/while/body/batch/xor"}
}

ENTRY %main.1 (a: f32[4,2]) -> (f32[4,4], u32[4]) {
  %a = f32[4,2]{1,0} parameter(0)
  %fusion.1 = f32[4,4]{1,0} fusion(%a, %a), kind=kLoop, calls=%fused_computation.1, metadata={op_name="jit(steps)/while/body/optimizer/add"}
  %scatter.1 = f32[4,4]{1,0} scatter(%fusion.1), metadata={op_name="jit(steps)/while/body/objective/jvp()/while/body/closed_call/scatter-add"}
  %copy.1 = f32[4,4]{1,0} copy(%scatter.1)
  %tanh.1 = f32[4,4]{1,0} tanh(%copy.1), metadata={op_name="jit(steps)/objective/jvp(M.encode)/Block_0/Dense_0/deep/tanh"}
  %fusion.2 = u32[4]{0} fusion(%a), kind=kLoop, calls=%fused_computation.2
  ROOT %tuple.1 = (f32[4,4]{1,0}, u32[4]{0}) tuple(%tanh.1, %fusion.2)
}
"""  # noqa: E501


@pytest.mark.parametrize(
    ("name", "kind", "place"),
    [
        ("fusion.1", "matrix products", "M.score/bqd,nd->bqn, backward"),
        ("fusion.2", "random numbers", "batch"),
        ("scatter.1", "scatter", "objective"),
        ("copy.1", "copies", "objective"),
        ("tanh.1", "elementwise", "M.encode/Block_0/Dense_0"),
    ],
)
def test_an_operation_has_its_kind_and_its_place_in_the_source(name, kind, place):
    assert operations(PROGRAM)[name] == Operation(kind, place)


def test_what_is_inside_an_operation_is_not_counted_twice():
    events = [(0.0, 10.0, "while"), (1.0, 4.0, "dot"), (2.0, 3.0, "copy"), (5.0, 6.0, "dot")]
    found = dict.fromkeys(("while", "dot", "copy"), 0.0)
    for name, seconds in by_itself(events[::-1]):
        found[name] += seconds
    assert found == {"while": 6, "dot": 3, "copy": 1}
    assert union([*events, (9.0, 12.0, "other thread"), (20.0, 21.0, "late")]) == 13


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """Three calls of a loop of products, by a tracer."""

    def steps(state, data, n):
        with jax.named_scope("Model"):
            return jax.lax.fori_loop(0, n, lambda _, x: jnp.tanh(x @ data), state), n

    folder = tmp_path_factory.mktemp("traced")
    tracer = Tracer(jax.jit(steps), folder / "profile")
    state, data = jnp.full((256, 256), 0.1), jnp.eye(256)
    for _ in range(3):
        state, done = tracer(state, data, jnp.int32(tracer.most(100)))
        tracer.seen = [*getattr(tracer, "seen", []), int(done)]
    return tracer, state, folder


def test_only_the_second_call_is_shortened_and_traced(traced):
    tracer, state, _ = traced
    assert tracer.seen == [100, STEPS, 100]
    assert tracer.steps == STEPS
    expected = np.float32(0.1)
    for _ in range(200 + STEPS):
        expected = np.tanh(expected)
    np.testing.assert_allclose(state[0, 0], expected, rtol=1e-4)


def test_the_page_shares_out_the_whole_step(traced):
    tracer, _, folder = traced
    (trace,) = folder.rglob("*.xplane.pb")
    spent, busy = busy_times(trace, tracer.program)
    assert 0 < busy <= tracer.seconds
    assert spent
    performance = Performance({"float32": 2 * 256**3}, {"float32": 1e12}, 0)
    seconds = {"first call": 3.0, "calls": 6.0 + tracer.overhead, "evaluation": 1.0}
    text = page(tracer, performance, seconds, 10.0, Path(folder / "profile.md"))
    assert (folder / "profile.md").read_text() == text
    assert len(text.splitlines()) < 60
    assert f"{STEPS} steps were traced" in text
    assert "Model: " in text
    tables = re.split(r"\n\n(?=\| %)", text)[1:]
    assert len(tables) == 3
    for table in tables:
        shares = [float(x) for x in re.findall(r"^\| ([\d.]+)% ", table, re.MULTILINE)]
        assert sum(shares) == pytest.approx(100, abs=0.05 * len(shares) + 0.01)
        assert shares == sorted(shares, reverse=True)
    assert re.search(r"^\| [\d.]+% \| 6 \| calls \|$", tables[2], re.MULTILINE)


def test_a_run_of_one_call_says_that_nothing_was_traced(tmp_path):
    tracer = Tracer(lambda state, data, n: (state, {}), tmp_path / "profile")
    tracer(1, 2, 3)
    text = page(tracer, Performance({}, {}, 0), {"first call": 1.0}, 1.0, tmp_path / "profile.md")
    assert "Nothing was traced" in text
    assert "100.0%" in text
