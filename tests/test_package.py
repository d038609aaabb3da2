"""What is shipped: a wheel that works from any folder with nothing but what it declares."""

import importlib.metadata
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return folder / done.stdout.split()[-1]


def requirements(name, extras=()):
    """The names of a distribution's requirements here, and theirs, to the last."""
    found, asked = set(), [(name, extra) for extra in ("", *extras)]
    seen = set()
    while asked:
        name, extra = asked.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in importlib.metadata.requires(name) or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                found.add(needed.name)
                asked += [(needed.name, more) for more in ("", *needed.extras)]
    return found


def bare_environment(folder, names):
    """A virtual environment that has these distributions, by links to the ones installed here."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    for name in names:
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}:
            source = Path(str(distribution.locate_file(top)))
            if source.exists() and not (site / top).exists():
                (site / top).symlink_to(source)
    return folder / "bin" / "python"


def test_the_wheel_holds_configs_and_page_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {path.name for path in (ROOT / "configs").glob("*.py")}
    assert {Path(name).name for name in names if name.startswith("jaxrec/configs/")} == shipped
    assert "jaxrec/report.html" in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"jaxrec"}


def test_the_wheel_trains_by_name_from_another_folder(wheel, tmp_path):
    python = bare_environment(tmp_path / "venv", requirements("jaxrec"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "install", "--no-deps"]
    subprocess.run([*pip, "--no-index", str(wheel)], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    events = [f"u{user},i{(user * 7 + n * n) % 13}" for user in range(20) for n in range(6)]
    (elsewhere / "events.csv").write_text("user,item\n" + "\n".join(events) + "\n")
    # Without the data sets this must not reach out for ml-100k.
    data = [] if os.environ.get("JAXREC_DATA") else ["--data.path", "events.csv"]
    done = subprocess.run(
        [python.with_name("jaxrec"), "train", "ml100k_popularity", *data],
        cwd=elsewhere,
        env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads((elsewhere / "runs/ml100k_popularity/metrics.json").read_text())
    assert 0 < metrics["test"]["ndcg@10"] < 1
    if os.environ.get("JAXREC_DATA"):
        assert metrics["test"]["ndcg@10"] == pytest.approx(0.0432, abs=2e-4)


def test_nothing_that_is_required_brings_another_framework():
    core = {name.lower() for name in requirements("jaxrec")}
    everything = core | {name.lower() for name in requirements("jaxrec", ["all"])}
    assert {"matplotlib", "wandb", "tensorboardx"} <= everything - core
    assert not everything & {"tensorflow", "tensorflow-cpu", "torch", "clu", "ml-collections"}
    assert not [name for name in everything if name.startswith(("nvidia", "jax-cuda"))]


def test_the_lock_has_what_the_project_asks_for_and_names_no_index():
    text = (ROOT / "requirements.txt").read_text()
    assert "://" not in text
    pinned = {Requirement(line.rstrip(" \\")).name for line in text.splitlines() if "==" in line}
    asked = {Requirement(x).name for x in importlib.metadata.requires("jaxrec") or ()} - {"jaxrec"}
    assert {name.lower().replace("_", "-") for name in asked} <= pinned
