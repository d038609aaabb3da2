import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.encoders.cnn import DilatedConvolutions, WindowFilters, causal_conv, shifted, windows

DIM, WINDOW = 6, 4
X = jax.random.normal(jax.random.key(0), (3, 9, DIM))
SEGMENTS = jnp.array([[0, 0, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 2, 2, 2, 2, 2, 2], [0] * 9], jnp.int32)
FILTERS = WindowFilters(WINDOW, num_horizontal=3, num_vertical=2)
BLOCKS = DilatedConvolutions((1, 2, 1, 2))
BOTH = pytest.mark.parametrize("module", [FILTERS, BLOCKS], ids=["filters", "blocks"])


def every(segment_ids):
    batch, length = segment_ids.shape
    return jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32)[None], (batch, length))


def start(module):
    """A function (x, segment_ids, queries) -> answers, and its parameters, biases drawn too."""
    drawn = jax.jit(module.init)(jax.random.key(1), X, SEGMENTS, every(SEGMENTS))
    leaves, tree = jax.tree.flatten(drawn)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    drawn = [x + 0.1 * jax.random.normal(key, x.shape) for x, key in zip(leaves, keys)]
    variables = jax.tree.unflatten(tree, drawn)

    @jax.jit
    def run(x, segment_ids, queries=None):
        queries = every(segment_ids) if queries is None else queries
        return module.apply(variables, x, segment_ids, queries)

    return run, variables


def window_of(x, segment_ids, column):
    """The window of one query of one row, its oldest place first."""
    window = np.zeros((WINDOW, DIM))
    for age in range(min(WINDOW, column + 1)):
        if segment_ids[column - age] == segment_ids[column] > 0:
            window[WINDOW - 1 - age] = x[column - age]
    return window


def plain_filters(params, window):
    """Caser's encoder for one window, as the paper writes it."""
    features = []
    for height in range(1, WINDOW + 1):
        kernel = params[f"horizontal_{height}"][::-1]  # the oldest first, as in the window
        spans = [window[i : i + height] for i in range(WINDOW - height + 1)]
        answers = [np.einsum("hd,hdn->n", span, kernel) for span in spans]
        answers = np.array(answers) + params[f"horizontal_bias_{height}"]
        features.append(np.maximum(answers, 0).max(0))
    features.append((window.T @ params["vertical"][::-1]).reshape(-1))
    dense = params["Dense_0"]
    return np.maximum(np.concatenate(features) @ dense["kernel"] + dense["bias"], 0)


def plain_conv(x, kernel, segment_ids, dilation):
    """A causal convolution, one column and one tap at a time."""
    out = np.zeros((*x.shape[:2], kernel.shape[2]))
    for row, column in np.ndindex(x.shape[:2]):
        for tap in range(kernel.shape[0]):
            source = column - tap * dilation
            if source >= 0 and segment_ids[row, source] == segment_ids[row, column]:
                out[row, column] += x[row, source] @ kernel[tap]
    return out


def plain_blocks(params, x, segment_ids, dilations):
    """NextItNet's encoder for all columns, as the paper writes it."""
    x = np.where(segment_ids[..., None] > 0, x, 0)
    for first in range(0, len(dilations), 2):
        update = x
        for number in (first, first + 1):
            p = params[f"DilatedConvolution_{number}"]
            update = plain_conv(update, p["kernel"], segment_ids, dilations[number]) + p["bias"]
            update = update - update.mean(-1, keepdims=True)
            update = update / np.sqrt(update.var(-1, keepdims=True) + 1e-6)
            norm = p["LayerNorm_0"]
            update = np.maximum(update * norm["scale"] + norm["bias"], 0)
        x = x + update
    return x @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"]


def test_the_filters_are_the_papers():
    run, variables = start(FILTERS)
    found, params = run(X, SEGMENTS), jax.tree.map(np.asarray, variables["params"])
    x, segments = np.asarray(X), np.asarray(SEGMENTS)
    for row, column in np.ndindex(segments.shape):
        expected = plain_filters(params, window_of(x[row], segments[row], column))
        np.testing.assert_allclose(found[row, column], expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_the_filters_is_the_papers():
    """Along a direction drawn at random, against differences of the plain filters."""
    _, variables = start(FILTERS)
    segments = np.asarray(SEGMENTS)
    point = jax.tree.map(lambda x: np.asarray(x, np.float64), (variables["params"], X))
    along = jax.tree.map(lambda x: np.random.default_rng(x.size).normal(size=x.shape), point)

    def plain(step):
        params, x = jax.tree.map(lambda x, d: x + step * d, point, along)
        answers = (
            plain_filters(params, window_of(x[row], segments[row], column))
            for row, column in np.ndindex(segments.shape)
        )
        return sum((answer**2).sum() for answer in answers)

    def total(params, x):
        found = FILTERS.apply({"params": params}, x, SEGMENTS, every(SEGMENTS))
        return (found**2).sum()

    found = jax.jit(jax.grad(total, (0, 1)))(variables["params"], X)
    slope = sum(jax.tree.leaves(jax.tree.map(lambda g, d: (g * d).sum(), found, along)))
    assert slope == pytest.approx((plain(1e-6) - plain(-1e-6)) / 2e-6, rel=1e-3)


def test_a_program_grows_with_the_window_and_not_with_its_square():
    """So that windows of 50 can be compiled."""

    def lines(window):
        module = WindowFilters(window, num_horizontal=2, num_vertical=1)
        shapes = jax.eval_shape(module.init, jax.random.key(0), X, SEGMENTS, every(SEGMENTS))

        def total(variables):
            return module.apply(variables, X, SEGMENTS, every(SEGMENTS)).sum()

        return jax.jit(jax.grad(total)).lower(shapes).as_text().count("\n")

    assert 0 < lines(32) < 2.2 * lines(16)


def test_the_blocks_are_the_papers():
    run, variables = start(BLOCKS)
    params = jax.tree.map(np.asarray, variables["params"])
    expected = plain_blocks(params, np.asarray(X), np.asarray(SEGMENTS), BLOCKS.dilations)
    np.testing.assert_allclose(run(X, SEGMENTS), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("taps", "dilation"), [(1, 1), (3, 1), (3, 2), (2, 8), (3, 20)])
def test_a_convolution_keeps_to_its_segment(taps, dilation):
    kernel = jax.random.normal(jax.random.key(3), (taps, DIM, 5))
    expected = plain_conv(np.asarray(X), np.asarray(kernel), np.asarray(SEGMENTS), dilation)
    found = causal_conv(X, kernel, SEGMENTS, dilation)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_what_is_shifted_comes_from_the_same_segment():
    x = jnp.arange(1.0, 10.0)[None, :, None] * jnp.ones((3, 1, 1))
    assert shifted(x, 2, SEGMENTS)[1, :, 0].tolist() == [0, 0, 1, 0, 0, 4, 5, 6, 7]
    assert shifted(x, 2, SEGMENTS)[0, :, 0].tolist()[2:] == [0, 0, 3, 4, 5, 6, 7]
    assert not shifted(x, 12, SEGMENTS).any()


def test_a_window_ends_at_its_query():
    queries = jnp.array([[8, 3], [4, 2], [0, 8]], jnp.int32)
    found = windows(X, SEGMENTS, queries, WINDOW).reshape(3, 2, WINDOW, DIM)
    for row, place in ((0, 0), (0, 1), (1, 0), (1, 1)):
        expected = window_of(
            np.asarray(X[row]), np.asarray(SEGMENTS[row]), int(queries[row, place])
        )
        np.testing.assert_array_equal(found[row, place], expected.astype(np.float32))


@BOTH
def test_packed_segments_answer_as_if_alone(module):
    run, _ = start(module)
    packed = run(X, SEGMENTS)[1]
    for part in (slice(0, 3), slice(3, 9)):
        alone = run(X[1:2, part], jnp.ones_like(SEGMENTS[1:2, part]))
        np.testing.assert_allclose(packed[part], alone[0], rtol=1e-4, atol=1e-5)


@BOTH
def test_the_future_does_not_change_the_past(module):
    run, _ = start(module)
    before, after = run(X, SEGMENTS), run(X.at[:, 6:].set(9.0), SEGMENTS)
    np.testing.assert_allclose(after[:, :6], before[:, :6], rtol=1e-5, atol=1e-6)
    assert jnp.abs(after[0, 6:] - before[0, 6:]).max() > 0.01


@BOTH
def test_padding_does_not_matter(module):
    run, _ = start(module)
    before = run(X, SEGMENTS)
    after = run(X.at[0, :2].set(9.0).at[2].set(9.0), SEGMENTS)
    np.testing.assert_array_equal(after, before)
    shorter = run(X[:1, 2:], SEGMENTS[:1, 2:])
    np.testing.assert_allclose(shorter[0], before[0, 2:], rtol=1e-4, atol=1e-5)


@BOTH
def test_few_queries_answer_as_all_do_in_value_and_gradient(module):
    queries = jnp.array([[8, 3], [3, 5], [0, 1]], jnp.int32)
    _, variables = start(module)

    def few(variables, x):
        found = module.apply(variables, x, SEGMENTS, queries)
        return (found**3).sum(), found

    def all_of_them(variables, x):
        found = module.apply(variables, x, SEGMENTS, every(SEGMENTS))
        found = jnp.take_along_axis(found, queries[:, :, None], axis=1)
        return (found**3).sum(), found

    runs = [
        jax.jit(jax.value_and_grad(f, (0, 1), has_aux=True))(variables, X)
        for f in (few, all_of_them)
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *runs)


@BOTH
@pytest.mark.parametrize("columns", [1, 2])
def test_a_history_shorter_than_the_window_is_answered(module, columns):
    run, _ = start(module)
    last = jnp.full((2, 1), columns - 1, jnp.int32)
    segments = jnp.ones((2, columns), jnp.int32)
    longer = jnp.pad(segments, ((0, 0), (9 - columns, 0)))
    found = run(X[:2, -columns:], segments, last)
    expected = run(X[:2], longer, jnp.full((2, 1), 8, jnp.int32))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@BOTH
def test_gradients_are_finite_and_padding_has_none(module):
    _, variables = start(module)

    def total(variables, x):
        return (module.apply(variables, x, SEGMENTS, every(SEGMENTS)) ** 2).sum()

    by_variables, by_x = jax.jit(jax.grad(total, (0, 1)))(variables, X)
    assert all(jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves((by_variables, by_x)))
    assert not by_x[SEGMENTS == 0].any()
    assert jnp.abs(by_x[SEGMENTS > 0]).max() > 0.01


@BOTH
def test_dropout_acts_in_training_alone(module):
    module = module.clone(dropout=0.5)
    _, variables = start(module)

    def run(train, seed):
        rngs = {"dropout": jax.random.key(seed)}
        return module.apply(variables, X, SEGMENTS, every(SEGMENTS), train, rngs=rngs)

    np.testing.assert_array_equal(run(False, 0), run(False, 1))
    assert jnp.abs(run(True, 0) - run(True, 1)).max() > 0.01


@pytest.mark.parametrize(("horizontal", "vertical"), [(0, 2), (3, 0)])
def test_one_kind_of_filters_suffices(horizontal, vertical):
    run, variables = start(WindowFilters(WINDOW, horizontal, vertical))
    kinds = {name.split("_")[0] for name in variables["params"]}
    assert kinds == {"Dense", "horizontal" if horizontal else "vertical"}
    assert run(X, SEGMENTS).shape == X.shape
