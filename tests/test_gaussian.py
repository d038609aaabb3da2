"""Gaussians against SciPy's."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import integrate, stats

from jaxrec.encoders.gaussian import divergence, log_density, log_mixture, sample

MEAN = jnp.array([[0.0, 1.5, -2.0], [0.3, 0.0, 4.0]])
LOG_VARIANCE = jnp.array([[0.0, -3.0, 1.0], [2.0, 0.0, -1.0]])
PAIRS = list(zip(np.ravel(MEAN), np.exp(np.ravel(LOG_VARIANCE) / 2), strict=True))


def test_densities_are_scipys():
    x = jnp.array([[0.2, 1.0, -2.5], [1.0, 3.0, 4.0]])
    expected = [stats.norm.logpdf(a, *pair) for a, pair in zip(np.ravel(x), PAIRS, strict=True)]
    np.testing.assert_allclose(np.ravel(log_density(x, MEAN, LOG_VARIANCE)), expected, rtol=1e-5)
    parts = log_density(x, MEAN, LOG_VARIANCE), log_density(x, MEAN + 1, LOG_VARIANCE)
    mixed = np.log(0.25 * np.exp(parts[0]) + 0.75 * np.exp(parts[1]))
    np.testing.assert_allclose(log_mixture(parts, (0.25, 0.75)), mixed, rtol=1e-5)


def test_a_mixture_of_vanishing_densities_is_finite():
    far = jnp.full((1, 1), 100.0), jnp.zeros((1, 1)), jnp.full((1, 1), -8.0)
    assert jnp.isfinite(log_mixture((log_density(*far),) * 2, (0.5, 0.5))).all()


def test_the_divergence_is_the_integral():
    def of(mean, deviation):
        own = stats.norm(mean, deviation)
        return integrate.quad(
            lambda x: own.pdf(x) * (own.logpdf(x) - stats.norm.logpdf(x)),
            mean - 12 * deviation,
            mean + 12 * deviation,
        )[0]

    expected = np.reshape([of(*pair) for pair in PAIRS], MEAN.shape).sum(1)
    np.testing.assert_allclose(divergence(MEAN, LOG_VARIANCE), expected, rtol=1e-4)


def test_draws_have_the_moments_and_a_gradient():
    keys = jax.random.split(jax.random.key(0), 20_000)
    found = jax.vmap(lambda key: sample(MEAN, LOG_VARIANCE, key))(keys)
    deviation = np.exp(LOG_VARIANCE / 2)
    np.testing.assert_allclose(found.mean(0), MEAN, atol=5 * deviation.max() / 20_000**0.5)
    np.testing.assert_allclose(found.std(0), deviation, rtol=0.03)

    def total(mean, log_variance):
        return sample(mean, log_variance, keys[0]).sum()

    by_mean, by_log_variance = jax.grad(total, (0, 1))(MEAN, LOG_VARIANCE)
    np.testing.assert_array_equal(by_mean, 1)
    drawn = sample(MEAN, LOG_VARIANCE, keys[0])
    np.testing.assert_allclose(by_log_variance, (drawn - MEAN) / 2, rtol=1e-4, atol=1e-6)
