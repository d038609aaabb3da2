"""What benchmarks/throughput.py measures: each a piece of work that jaxrec and a peer both do."""

from dataclasses import dataclass, field
from typing import Any

DATA = ("ml1m", "gowalla", "ml100k")
"""MovieLens-1M as sequences, Gowalla, and the first of Surprise's folds of MovieLens-100K."""


@dataclass(frozen=True)
class Work:
    """A piece of work.

    kind:   the function in ours.py and in the peer's script that does it, and its goal's name.
    config: the config whose model we fit, with `changes` in it; None: the work says all itself.
    params: what both sides are told.
    """

    kind: str
    data: str
    peer: str
    params: dict[str, Any]
    config: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    quality: str = "ndcg@10"
    note: str = ""

    @property
    def name(self) -> str:
        dim = f"_{self.params['dim']}" if "dim" in self.params else ""
        return f"{self.kind}{dim}_{self.data}"


def _ials(data: str, dim: int) -> Work:
    return Work(
        "ials",
        data,
        "implicit",
        {"dim": dim, "sweeps": 10},
        config=f"{data}_ials",
        changes={"embed_dim": dim, "epochs": 10},
        note="10 sweeps from new factors, by conjugate gradient. Ours scales the regularisation by "
        "the number of events, which implicit cannot: it has the mean of ours.",
    )


def _bpr(data: str) -> Work:
    return Work(
        "bpr",
        data,
        "implicit",
        {"dim": 64, "epochs": 2, "learning_rate": 0.05, "regularization": 0.01, "batch": 8192},
        note="seconds an epoch of as many triples as there are events. implicit takes a triple at "
        "a time (Hogwild), draws negatives by popularity, and skips those that the user knows; "
        "ours takes 8,192 at once, at the same step for each, and draws uniformly among the "
        "unknown. Quality after all epochs that were timed.",
    )


def _item_knn(data: str) -> Work:
    return Work(
        "item_knn",
        data,
        "implicit",
        {"neighbours": 100},
        note="fit, cosine, 100 neighbours; implicit's count the item itself.",
    )


def _top_100(data: str) -> Work:
    return Work(
        "top_100",
        data,
        "implicit",
        {"k": 100},
        note="100 unseen items for every user, from the same factors (a truncated SVD, d 64).",
    )


_RATINGS = "fit on four fifths and predict the fifth; Surprise predicts in a Python loop."

WORKS = (
    *(_ials(data, dim) for data in ("ml1m", "gowalla") for dim in (64, 128, 256)),
    *(make(data) for make in (_bpr, _item_knn, _top_100) for data in ("ml1m", "gowalla")),
    Work("ease", "ml1m", "rectools", {}, config="ml1m_ease", note="fit, at the same l2."),
    Work("svd", "ml100k", "surprise", {}, config="ml100k_svd", quality="rmse", note=_RATINGS),
    Work(
        "knn_ratings",
        "ml100k",
        "surprise",
        {},
        config="ml100k_knn_baseline",
        quality="rmse",
        note=_RATINGS,
    ),
)
