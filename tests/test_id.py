import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.encoders.id import Ids, hashed
from jaxrec.errors import InputError

IDS = jnp.array([[0, 1, 2], [7, 7, 3]], jnp.int32)
COUNTS = np.array([0, 1, 3, 0, 9, 9, 9, 100])


def start(config, ids=IDS, num_ids=7, counts=None):
    module = config.build(num_ids, 8, counts)
    return module, module.init(jax.random.key(0), ids)


def test_an_id_has_a_row():
    module, variables = start(Ids())
    table = variables["params"]["table"]["embedding"]
    np.testing.assert_array_equal(module.apply(variables, IDS), table[IDS])


def plain_hash(id, seed, rows):
    def mixed(word):
        word = (word ^ (word >> 16)) * 0x85EBCA6B & 0xFFFFFFFF
        word = (word ^ (word >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
        return word ^ (word >> 16)

    word = mixed(mixed(id) ^ (seed * 0x9E3779B9 & 0xFFFFFFFF))
    return 1 + word % (rows - 1) if id else 0


@pytest.mark.parametrize("weighted", [False, True])
def test_a_hashed_id_is_the_sum_of_its_rows(weighted):
    ids = jnp.array([0, 5, 10**9], jnp.int32)
    module, variables = start(Ids(rows=50, hashes=3, weighted=weighted), ids)
    params = jax.tree.map(np.asarray, variables["params"])
    table = params["table"]["embedding"]
    if weighted:
        drawn = np.random.default_rng(0).normal(size=params["weights"]["embedding"].shape)
        drawn[0] = 0
        params["weights"]["embedding"] = drawn.astype(np.float32)
    for id, found in zip(ids.tolist(), module.apply({"params": params}, ids)):
        rows = [plain_hash(id, seed, 50) for seed in (1, 2, 3)]
        weights = np.ones(3)
        if weighted:
            weights += params["weights"]["embedding"][plain_hash(id, 4, 50)]
        np.testing.assert_allclose(found, weights @ table[rows], rtol=1e-5, atol=1e-6)
    assert not module.apply({"params": params}, ids)[0].any()


def test_collisions_are_as_few_as_chance_makes_them():
    ids, rows = 20_000, 1_001
    found = np.asarray(hashed(jnp.arange(1, ids + 1, dtype=jnp.int32), rows, 2))
    assert found.min() >= 1
    assert found.max() <= rows - 1
    for column in found.T:
        load = np.bincount(column, minlength=rows)[1:]
        # A Poisson number of ids a row: 20, with a variance of 20.
        assert 0.8 < load.var() / load.mean() < 1.2
    assert abs(np.corrcoef(found.T)[0, 1]) < 0.03
    _, times = np.unique(np.sort(found, axis=1), axis=0, return_counts=True)
    alike = (times * (times - 1) // 2).sum()
    pairs = ids * (ids - 1) / 2
    assert alike / pairs == pytest.approx(2 / (rows - 1) ** 2, rel=0.2)


def test_a_new_process_finds_the_same_rows():
    code = (
        "import jax.numpy as jnp; from jaxrec.encoders.id import hashed;"
        "print(hashed(jnp.array([0, 1, 2, 3, 2**31 - 1], jnp.int32), 10**6, 2).tolist())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "17"}
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    expected = [[plain_hash(id, seed, 10**6) for seed in (1, 2)] for id in (0, 1, 2, 3, 2**31 - 1)]
    assert answer.stdout.strip() == str(expected)


def test_rare_ids_are_unknown_more_often():
    config = Ids(unknown=2.0)
    many = jnp.tile(jnp.arange(8, dtype=jnp.int32), (4000, 1))
    module = config.build(7, 8, COUNTS)

    def known(train):
        return module.apply({}, many, train, method="known", rngs={"dropout": jax.random.key(1)})

    share = (known(True) == 0).mean(0)
    expected = 2 / (2 + COUNTS)
    np.testing.assert_allclose(share[1:], expected[1:], atol=0.03)
    np.testing.assert_array_equal(known(False)[0], np.where(COUNTS > 0, np.arange(8), 0))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Ids(rows=1), "rows is 1; give a whole number from 2 on"),
        (Ids(rows=9, hashes=0), "hashes is 0; give a whole number from 1 on"),
        (Ids(unknown=-1.0), "unknown is -1.0; give 0, or a number above it"),
        (Ids(unknown=0.25), "no events are counted; give 0"),
    ],
)
def test_bad_sizes_are_refused(config, message):
    with pytest.raises(InputError, match=message):
        config.build(7, 8)
