"""Checkpoints are whole or absent; a damaged one gives way to the one before, and says so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from jaxrec.checkpoint import Checkpoints, restore, save_once
from jaxrec.errors import InputError
from jaxrec.sharding import make_mesh
from jaxrec.train_state import Monitor, TrainState


def _state(step, best=0):
    return TrainState(
        step=jnp.int32(step),
        params={"table": jnp.full((64, 4), float(step)), "bias": jnp.arange(3.0)},
        opt_state=(jnp.float32(step), {}),
        collections={},
        ema=None,
        monitor=Monitor(jnp.float32(0.5), jnp.int32(best), jnp.int32(0)),
    )


def _save(directory, steps, best=0):
    with Checkpoints(directory) as checkpoints:
        for step in steps:
            checkpoints.save(_state(step, best), step, best)


def _truncate(directory, step):
    files = [p for p in (directory / str(step) / "default").rglob("*") if p.is_file()]
    for path in files:
        path.write_bytes(path.read_bytes()[:5])


def _steps(directory):
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit())


def test_keeps_the_newest_two_and_the_best(tmp_path):
    _save(tmp_path / "c", range(1, 7), best=2)
    assert _steps(tmp_path / "c") == [2, 5, 6]


def test_restores_every_array_of_the_newest(tmp_path):
    _save(tmp_path / "c", [1, 2])
    with Checkpoints(tmp_path / "c") as checkpoints:
        state = checkpoints.restore_latest(_state(0), print)
    jax.tree.map(np.testing.assert_array_equal, state, _state(2))


def test_restores_the_best(tmp_path):
    _save(tmp_path / "c", range(1, 5), best=1)
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert int(checkpoints.restore_best(_state(4, best=1), print).step) == 1


def test_a_truncated_checkpoint_gives_way_to_the_one_before(tmp_path):
    _save(tmp_path / "c", [1, 2])
    _truncate(tmp_path / "c", 2)
    said = []
    with Checkpoints(tmp_path / "c") as checkpoints:
        state = checkpoints.restore_latest(_state(0), said.append)
        assert int(state.step) == 1
        checkpoints.save(_state(2), 2, 1)  # made again in its place
    assert "Checkpoint 2 is damaged" in said[0]
    assert (tmp_path / "damaged-2").is_dir(), "nothing is lost"
    assert _steps(tmp_path / "c") == [1, 2]


def test_answers_from_another_step_when_the_best_is_truncated(tmp_path):
    _save(tmp_path / "c", [1, 2, 3], best=1)
    _truncate(tmp_path / "c", 1)
    said = []
    tree = restore(tmp_path / "c", 1, said.append)
    assert int(tree["step"]) == 3
    assert "Checkpoint 1" in said[0]
    assert "step 3" in said[1]


def test_nothing_to_restore_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no readable checkpoint"):
        restore(tmp_path / "none", None, print)
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.restore_latest(_state(0), print) is None


def test_what_eight_devices_saved_one_device_reads(tmp_path):
    mesh = make_mesh(model=8)
    placed = NamedSharding(mesh, PartitionSpec("model", None))
    state = _state(1)
    state = state.replace(params={"table": jax.device_put(state.params["table"], placed)})
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(state, 1, 1)
    table = restore(tmp_path / "c", 1, print)["params"]["table"]
    assert len(table.sharding.device_set) == 1
    np.testing.assert_array_equal(table, state.params["table"])


def test_saving_once_replaces(tmp_path):
    save_once(tmp_path / "c", {"a": jnp.zeros(3)})
    save_once(tmp_path / "c", {"a": jnp.ones(3)})
    np.testing.assert_array_equal(restore(tmp_path / "c", 0, print)["a"], np.ones(3))


def test_an_empty_newest_step_does_not_cost_the_others(tmp_path):
    _save(tmp_path / "c", [1, 2])
    (tmp_path / "c" / "99").mkdir()
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert int(checkpoints.restore_latest(_state(0), lambda line: None).step) == 2
    assert _steps(tmp_path / "c") == [1, 2]


def test_where_none_can_be_read_nothing_is_moved(tmp_path):
    _save(tmp_path / "c", [1, 2])
    other = _state(0).replace(params={"another": jnp.zeros(3)})
    with (
        Checkpoints(tmp_path / "c") as checkpoints,
        pytest.raises(InputError, match=r"No checkpoint in .* can be read"),
    ):
        checkpoints.restore_latest(other, print)
    assert _steps(tmp_path / "c") == [1, 2]
