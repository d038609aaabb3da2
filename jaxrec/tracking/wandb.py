"""Weights & Biases runs, with the extra `wandb`; offline unless WANDB_MODE says otherwise."""

import os
import uuid
from pathlib import Path
from typing import Any, SupportsFloat, cast

from jaxrec.errors import InputError


class WandbWriter:
    """Log into one run that stays the same when `workdir` is resumed; `wandb sync` uploads it."""

    def __init__(self, workdir: Path, config: dict[str, Any] | None = None):
        try:
            import wandb
        except ImportError:
            raise InputError(
                "--wandb needs a package that is not here: pip install 'jaxrec[wandb]'"
            ) from None
        workdir.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project="jaxrec",
            name=workdir.name,
            id=_run_id(workdir / "wandb_id.txt"),
            resume="allow",
            dir=str(workdir),
            config=config,
            mode=cast(Any, os.environ.get("WANDB_MODE", "offline")),
            settings=wandb.Settings(silent=True, console="off"),
        )

    def write(self, step: int, values: dict[str, SupportsFloat]) -> None:
        self._run.log({name: float(value) for name, value in values.items()}, step=step)

    def close(self) -> None:
        self._run.finish()


def _run_id(path: Path) -> str:
    if not path.exists():
        path.write_text(uuid.uuid4().hex[:12])
    return path.read_text().strip()
