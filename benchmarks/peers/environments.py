"""An environment for each peer, built once from its pinned requirements."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from jaxrec.data.sources.named import cache

HERE = Path(__file__).parent


def python_of(peer: str) -> Path:
    """Give the Python that has the peer, building its environment in the user's cache if need be.

    Raises CalledProcessError where pip cannot install it.
    """
    requirements = HERE / f"{peer}.txt"
    version = "{}.{}".format(*sys.version_info)
    stamp = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = cache() / "peers" / f"{peer}-{version}-{stamp}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists():
        print(f"Building {folder} for {peer} (a minute)", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        subprocess.run([*pip, "-r", str(requirements)], check=True, stdout=sys.stderr)
        ready.touch()
    return python
