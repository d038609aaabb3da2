"""TensorBoard event files, with the extra `tensorboard` (the package tensorboardX)."""

from pathlib import Path
from typing import SupportsFloat

from jaxrec.errors import InputError


class TensorboardWriter:
    """Write scalars into `directory`; view them with `tensorboard --logdir directory`."""

    def __init__(self, directory: Path, purge_step: int | None = None):
        """Hide what an earlier, killed process wrote at or after `purge_step`."""
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise InputError(
                "--tensorboard needs a package that is not here: pip install 'jaxrec[tensorboard]'"
            ) from None
        self._writer = SummaryWriter(str(directory), purge_step=purge_step)

    def write(self, step: int, values: dict[str, SupportsFloat]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, float(value), step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
