"""Orbax checkpoints, saved while training goes on: whole or absent, the newest two and the best."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import orbax.checkpoint as ocp
from jaxtyping import PyTree
from orbax.checkpoint import checkpoint_managers

from jaxrec.errors import InputError
from jaxrec.train_state import TrainState

Say = Callable[[str], None]


class _KeepBest(checkpoint_managers.PreservationPolicy):
    """Preserve the step that the run's monitor calls best."""

    def __init__(self) -> None:
        self.step = -1

    def should_preserve(self, checkpoints: Any, *, context: Any) -> list[bool]:
        return [info.step == self.step for info in checkpoints]


class Checkpoints:
    """The checkpoints of one run; a context manager that waits for the last save on leaving."""

    def __init__(self, directory: Path, keep: int = 2) -> None:
        self._directory, self._best = directory.resolve(), _KeepBest()
        policy = checkpoint_managers.AnyPreservationPolicy(
            [checkpoint_managers.LatestN(keep), self._best]
        )
        options = ocp.CheckpointManagerOptions(preservation_policy=policy)
        # Without a handler, Orbax would guess the layout of all steps from the newest folder.
        self._manager = ocp.CheckpointManager(
            self._directory, options=options, item_handlers=ocp.StandardCheckpointHandler()
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._manager.close()

    def save(self, state: TrainState, step: int, best_step: int) -> None:
        """Start to save; the state may be donated at once. Nothing is done if the step is there."""
        self._best.step = best_step
        if step not in self._manager.all_steps():
            self._manager.save(step, args=ocp.args.StandardSave(state), force=True)

    def wait(self) -> None:
        """Return when the last save stands on the disk."""
        self._manager.wait_until_finished()

    def restore_latest(self, like: TrainState, say: Say) -> TrainState | None:
        """Restore the newest step that can be read, placed as `like` is; None without one."""
        return self._restore(sorted(self._manager.all_steps(), reverse=True), like, say)

    def restore_best(self, like: TrainState, say: Say) -> TrainState | None:
        """Restore the step that the monitor of `like` calls best; if damaged, the newest."""
        best = int(like.monitor.step)
        steps = sorted(
            self._manager.all_steps(), key=lambda step: (step == best, step), reverse=True
        )
        return self._restore(steps, like, say)

    def _restore(self, steps: list[int], like: TrainState, say: Say) -> TrainState | None:
        """Take the first step that can be read; those before it in the list are moved aside.

        Nothing is moved where none can be read: then it may not be the checkpoints' fault.
        """
        target, damaged = jax.tree.map(_abstract, like), []
        for step in steps:
            try:
                state = self._manager.restore(step, args=ocp.args.StandardRestore(target))
            except Exception as error:
                damaged.append((step, _short(error)))
                continue
            for bad, why in damaged:
                aside = self._directory.with_name(f"damaged-{bad}")
                shutil.rmtree(aside, ignore_errors=True)
                (self._directory / str(bad)).rename(aside)
                say(f"Checkpoint {bad} is damaged ({why}); it was moved to {aside}.")
            if damaged:
                self._manager.reload()
            self._best.step = int(state.monitor.step)
            return state
        if damaged:
            raise InputError(
                f"No checkpoint in {self._directory} can be read ({damaged[0][1]}); "
                "train into a fresh --workdir."
            )
        return None


def restore(directory: Path, step: int | None, say: Say) -> PyTree:
    """Read a finished run's checkpoint onto one device, whatever devices it was saved from.

    Takes `step` if it can be read, else the newest that can; classes come back as plain dicts.
    """
    steps = sorted(
        (int(p.name) for p in directory.glob("[0-9]*") if p.name.isdigit()), reverse=True
    )
    if step in steps:
        steps.insert(0, steps.pop(steps.index(step)))
    with ocp.StandardCheckpointer() as checkpointer:
        for tried in steps:
            path = directory.resolve() / str(tried) / "default"
            try:
                tree = checkpointer.restore(path, _on_one_device(checkpointer.metadata(path)))
            except Exception as error:
                say(f"Checkpoint {tried} in {directory} is damaged ({_short(error)}): not used.")
                continue
            if step is not None and tried != step:
                say(f"Checkpoint {step} cannot be read; step {tried} of {directory} answers.")
            return tree
    raise InputError(f"{directory} holds no readable checkpoint; run jaxrec train again.")


def readable(directory: Path) -> bool:
    """Tell whether a folder holds a checkpoint that is whole, as far as its names tell."""
    return any(directory.glob("[0-9]*/default/_METADATA"))


def save_once(directory: Path, tree: PyTree) -> None:
    """Save a fitted baseline's state as step 0, replacing what was there."""
    shutil.rmtree(directory, ignore_errors=True)
    with ocp.CheckpointManager(directory.resolve()) as manager:
        manager.save(0, args=ocp.args.StandardSave(tree))


def _abstract(x: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=getattr(x, "sharding", None))


def _on_one_device(metadata: Any) -> PyTree:
    place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    tree = getattr(metadata, "item_metadata", metadata)
    tree = getattr(tree, "tree", tree)
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), tree)


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:80] if str(error) else ''}"
