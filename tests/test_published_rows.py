"""Gated rows of benchmarks/targets.toml that no test of their own method runs."""

import dataclasses

import pytest

from benchmarks.rows import HERE, Bench, run, status


@pytest.mark.parametrize(
    "name",
    [
        "ml1m_ultragcn_popularity",
        "ml1m_ncf_popularity",
        pytest.param("sports_item_knn_refitted", marks=pytest.mark.slow),
    ],
)
def test_the_row_is_inside_its_tolerance(name, data_root, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXREC_DATA", str(data_root))
    (tmp_path / "targets.toml").write_text((HERE / "targets.toml").read_text())
    bench = dataclasses.replace(Bench(HERE), folder=tmp_path)
    row = bench.row(name)
    assert status(row, run(bench, row, lambda line: None)) == "pass"
