import jax
import jax.numpy as jnp
import numpy as np

from jaxrec.encoders.features import FeatureEncoder
from jaxrec.encoders.text import TextCNN
from jaxrec.typing import FeatureSpec

FILTERS, DIM = 4, 6
X = jax.random.normal(jax.random.key(0), (3, 7, DIM))
WHERE = jnp.arange(7)[None, :] < jnp.array([7, 2, 0])[:, None]


def start():
    module = TextCNN(FILTERS)
    variables = jax.jit(module.init)(jax.random.key(1), X, WHERE)
    drawn = jax.tree.map(lambda x: x + 0.1 * jnp.ones(x.shape), variables)
    return jax.jit(module.apply), drawn


def plain(params, tokens):
    """Kim's convolutions of one text, one window at a time."""
    found = []
    for width in (3, 4, 5):
        kernel, bias = params[f"kernel_{width}"][::-1], params[f"bias_{width}"]
        padded = np.concatenate([np.zeros((width - 1, DIM)), tokens])
        answers = [
            np.maximum(np.einsum("wd,wdf->f", padded[i : i + width], kernel) + bias, 0)
            for i in range(len(tokens))
        ]
        found.append(np.max(answers, 0) if answers else np.zeros(FILTERS))
    return np.concatenate(found)


def test_the_convolutions_are_those_of_a_loop():
    apply, variables = start()
    params = jax.tree.map(np.asarray, variables["params"])
    found = apply(variables, X, WHERE)
    assert found.shape == (3, 3 * FILTERS)
    for row, length in enumerate((7, 2, 0)):
        expected = plain(params, np.asarray(X[row, :length]))
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing():
    apply, variables = start()
    expected = apply(variables, X, WHERE)
    garbage = jnp.where(WHERE[..., None], X, 9.0)
    np.testing.assert_array_equal(apply(variables, garbage, WHERE), expected)
    longer = [((0, 0), (4, 3), (0, 0)), ((0, 0), (0, 3), (0, 0))]
    for widths in longer:
        x, where = jnp.pad(X, widths), jnp.pad(WHERE, widths[:2])
        np.testing.assert_allclose(apply(variables, x, where), expected, rtol=1e-5, atol=1e-6)


def test_the_order_of_tokens_counts():
    apply, variables = start()
    found = apply(variables, X[:1], WHERE[:1]) - apply(variables, X[:1, ::-1], WHERE[:1])
    assert jnp.abs(found).max() > 0.1


def test_features_of_tokens_are_read_by_it():
    specs = (FeatureSpec("kind", "categorical", 5), FeatureSpec("title", "tokens", 9))
    features = {
        "kind": jnp.array([[0, 4]], jnp.int32),
        "title": jnp.array([[[8, 3, 0], [0, 0, 0]]], jnp.int32),
    }
    module = FeatureEncoder(specs, FILTERS, text="cnn")
    variables = module.init(jax.random.key(0), features)
    found = module.apply(variables, features)
    assert found.shape == (1, 2, FILTERS + 3 * FILTERS)
    table = variables["params"]["tables_title"]["embedding"]
    own, title = {"params": variables["params"]["texts_title"]}, features["title"]
    text = TextCNN(FILTERS).apply(own, table[title], title > 0)
    np.testing.assert_allclose(found[..., FILTERS:], text, rtol=1e-5)
    assert not found[0, 1, FILTERS:].any()
