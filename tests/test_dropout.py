"""Dropout: what it keeps, against NumPy and against throws of a coin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.encoders.dropout import Dropout, keep


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_keeps_the_mean_and_drops_the_fraction(rate):
    x = jnp.ones((400, 500))
    out = Dropout(rate).apply({}, x, True, rngs={"dropout": jax.random.key(0)})
    assert out.mean() == pytest.approx(1.0, abs=0.01)
    assert jnp.mean(out == 0) == pytest.approx(rate, abs=0.005)
    assert jnp.all(Dropout(rate).apply({}, x, False) == x)


def test_what_is_kept_is_a_hash_of_the_key_and_the_place():
    """As in NumPy's whole numbers, where a product of 32-bit words is not cut off by itself."""
    key = jax.random.key(3)
    first, second = (int(word) for word in jax.random.key_data(key))

    def mixed(word):
        word = (word ^ (word >> 16)) * 0x85EBCA6B & 0xFFFFFFFF
        word = (word ^ (word >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
        return word ^ (word >> 16)

    words = [mixed(mixed((number + first) & 0xFFFFFFFF) ^ second) for number in range(60)]
    kept = (np.array(words) >= 0.3 * 2**32).reshape(4, 15)
    np.testing.assert_array_equal(keep(key, (4, 15), 0.3), kept)


def test_draws_of_keys_steps_and_neighbours_are_independent():
    @jax.jit
    def kept(key):
        return keep(key, (256, 256), 0.5)

    one = kept(jax.random.key(0))
    others = [kept(jax.random.key(1)), kept(jax.random.fold_in(jax.random.key(0), 1)), one.T]
    others += [jnp.roll(one, steps, axis) for steps in (1, 2, 16) for axis in (0, 1)]
    # Five deviations of the mean of 65,536 throws of a coin.
    assert all(abs((one == other).mean() - 0.5) < 0.01 for other in others)
    # Nor do the numbers of what is dropped in a row spread more or less than throws would.
    assert one.sum(1).std() == pytest.approx(8, abs=1.5)
    assert one.sum(0).std() == pytest.approx(8, abs=1.5)
