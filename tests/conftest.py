"""What every test stands on: 8 fake devices, checked shapes, no silent rank promotion."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# In the environment, so that child processes share it: a compilation is done once a suite.
CACHE = Path(__file__).parents[1] / ".pytest_cache" / "xla"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
# Tests compile much and run little: without optimisation, with XLA's former emitters and one LLVM
# module a program, compilation takes a quarter of the time.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
)
os.environ.setdefault("WANDB_MODE", "offline")

import jax  # noqa: E402
from jax.sharding import Mesh  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
# An int is a float, as PEP 484 has it.
BEARTYPE = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
install_import_hook("jaxrec", BEARTYPE)


@pytest.fixture(scope="session", autouse=True)
def one_device() -> Iterator[None]:
    """Train on as many devices as share the tables, one unless asked: eight compile for long."""
    from jaxrec import sharding, train

    def few(model: int = 1) -> Mesh:
        return sharding.make_mesh(model, jax.devices()[: max(model, 1)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "make_mesh", few)
        yield


@pytest.fixture
def eight_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train on all devices, as outside the tests."""
    from jaxrec import sharding, train

    monkeypatch.setattr(train, "make_mesh", sharding.make_mesh)


@pytest.fixture
def data_root() -> Iterator[Path]:
    """The folder of the shared data sets; tests that need one are skipped without it.

    They compute more than they compile, and do so with optimised code.
    """
    root = os.environ.get("JAXREC_DATA")
    if not root:
        pytest.skip("JAXREC_DATA is not set: the tests on real data need the folder of data sets")
    if not Path(root).is_dir():
        pytest.skip(f"JAXREC_DATA names {root}, which is not a folder")
    jax.config.update("jax_disable_most_optimizations", False)
    yield Path(root)
    jax.config.update("jax_disable_most_optimizations", True)
