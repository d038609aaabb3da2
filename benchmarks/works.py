"""What benchmarks/throughput.py measures: each a piece of work that jaxrec and a peer both do."""

from dataclasses import dataclass, field
from typing import Any

EVENTS = {"ours": 20_000_000, "peer": 2_000_000}
"""Rows of the CSV files; the peer's result is scaled to ours."""

SUITES = ("quick", "full")


@dataclass(frozen=True)
class Work:
    """A piece of work.

    kind:      the function in ours/ and in the peer's script that does it, and its goal's name.
    data:      what inputs.py makes.
    params:    what both sides are told.
    config:    the config whose model we fit, with `changes` in it; None: the work says all itself.
    quality:   what is judged beside the time; None: nothing, and the note says why.
    unit:      of the seconds.
    repeats:   the most times that each side is timed, where the peer is slow.
    warm_peer: whether the peer's first call goes uncounted too, as ours does, which compiles.
    variant:   tells apart works of one kind and data.
    quick:     whether it belongs to the suite `quick` too.
    """

    kind: str
    data: str
    peer: str
    params: dict[str, Any]
    config: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    quality: str | None = "ndcg@10"
    unit: str = ""
    note: str = ""
    repeats: int = 5
    warm_peer: bool = True
    variant: str = ""
    quick: bool = False

    @property
    def name(self) -> str:
        dim = f"{self.params['dim']}" if "dim" in self.params else ""
        return "_".join(x for x in (self.kind, dim, self.data, self.variant) if x)


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


_BPR = {"dim": 64, "epochs": 2, "learning_rate": 0.05, "regularization": 0.01, "batch": 8192}


def _bpr(data: str) -> Work:
    return Work(
        "bpr",
        data,
        "implicit",
        _BPR,
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
SASREC: dict[str, Any] = {"dim": 64, "layers": 2, "heads": 2, "mlp_ratio": 1, "dropout": 0.2}
_BERT: dict[str, Any] = {"dim": 64, "layers": 2, "heads": 2, "mlp_ratio": 4, "dropout": 0.2}
SASREC |= {"learning_rate": 1e-3, "batch": 128, "length": 200}
_RECBOLE: dict[str, Any] = {"dim": 64, "learning_rate": 1e-3, "batch": 2048, "length": 50}
_FILTERS = {"horizontal": 8, "vertical": 4, "dropout": 0.4}
_NEUMF = {"dim": 64, "hidden": (128, 64), "batch": 2048, "learning_rate": 1e-3}

SEQUENCES = (
    Work(
        "sasrec",
        "ml1m",
        "rectools",
        SASREC,
        unit="an epoch",
        repeats=2,
        warm_peer=False,
        quick=True,
        note="full softmax, Adam. RecTools takes 128 padded users a step; ours packs users into "
        "rows, as many rows as hold 128 users on average, so both take as many steps. Quality "
        "after the epochs that were timed, and on our side after one more.",
    ),
    Work(
        "sasrec_until",
        "ml1m",
        "rectools",
        {**SASREC, "peer_epochs": 8, "our_epochs": 10},
        unit="to equal NDCG",
        repeats=1,
        warm_peer=False,
        note="training from new parameters to the best NDCG@10 on validation that both reach, "
        "RecTools in 8 epochs as in `sasrec`, ours in 10 with smaller batches and a larger step; "
        "it is looked at after each epoch, and the looks are not counted. Quality after all "
        "epochs.",
    ),
    Work(
        "sasrec_position",
        "ml1m",
        "recbole",
        {**SASREC, "mlp_ratio": 4, "batch": 2048, "length": 50, "peer_steps": 10},
        quality=None,
        unit="a million positions",
        repeats=2,
        warm_peer=False,
        note="full softmax, length 50. RecBole's examples are prefixes, each of which trains one "
        "position: its seconds for 10 steps of 2,048 are divided by 20,480 (an epoch of it would "
        "take minutes, so there is no quality). Ours are divided by the events that are targets "
        "in a packed epoch, with as many targets a step.",
    ),
)
OTHER_SEQUENCES = (
    Work(
        "gru4rec",
        "ml1m",
        "recbole",
        {**_RECBOLE, "hidden": 128, "dropout": 0.3, "peer_steps": 10},
        quality=None,
        unit="a million targets",
        repeats=2,
        warm_peer=False,
        note="a layer of 128 units, at RecBole's defaults; full softmax, Adam. RecBole reads the "
        "prefix of up to 50 events anew for each target; ours reads a row of 50 once, and every "
        "event in it but the first of a user is a target, as many a step as RecBole's 2,048. Most "
        "of the ratio is this. No quality: an epoch of RecBole takes minutes.",
    ),
    Work(
        "caser",
        "ml1m",
        "recbole",
        {**_RECBOLE, "length": 10, "row": 50, **_FILTERS, "peer_steps": 10},
        quality=None,
        unit="a million targets",
        repeats=2,
        warm_peer=False,
        note="windows of 10 events, as RecBole advises for Caser, 8 horizontal filters of each "
        "height and 4 vertical ones, its defaults; full softmax, Adam. RecBole has a window for "
        "each target; windows of ours overlap in a user's row of 50, and share what the filters "
        "make of an event. Ours scores by a table twice as wide, as in the paper, where RecBole "
        "has one more layer and an L2 penalty. No quality, as for `gru4rec`.",
    ),
    Work(
        "bert4rec",
        "ml1m",
        "recbole",
        {**_BERT, **_RECBOLE, "mask_fraction": 0.2, "peer_steps": 4},
        quality=None,
        unit="a million targets",
        repeats=2,
        warm_peer=False,
        note="post-norm, at RecBole's defaults but for the attention's dropout, which neither side "
        "has; full softmax, Adam. A target is a hidden item that is scored, a fifth of the events "
        "on both sides (RecBole's extra batches with only the last one hidden are turned off), so "
        "both read five events for each. RecBole's rows are prefixes of up to 50 events, ours "
        "whole histories packed into as many rows a step. No quality, as for `gru4rec`.",
    ),
    Work(
        "bert4rec_rectools",
        "ml1m",
        "rectools",
        {**_BERT, "batch": 128, "length": 200, "learning_rate": 1e-3, "mask_fraction": 0.15},
        unit="an epoch",
        repeats=2,
        warm_peer=False,
        note="pre-norm, 15 % of the last 200 events of each user hidden; full softmax, Adam. As in "
        "`sasrec`, RecTools takes 128 padded users a step, and ours packs as many. RecTools scores "
        "all events, and leaves out those not hidden afterwards; of its hidden events a fifth "
        "shows an item, where ours has a mask. Quality after the epochs that were timed, and on "
        "our side after one more.",
    ),
)
PAIRS = (
    Work(
        "mf_bpr",
        "ml1m",
        "recbole",
        {"dim": 64, "batch": 2048, "learning_rate": 1e-3},
        unit="an epoch",
        quick=True,
        note="BPR, Adam, one uniform negative that the user has not. Ours has biases too. Quality "
        "after all epochs that were timed.",
    ),
    Work(
        "bpr_cornac",
        "ml1m",
        "cornac",
        _BPR,
        note="seconds an epoch of as many triples as there are events. Cornac takes a triple at a "
        "time (Hogwild) and skips negatives that the user has; ours takes 8,192 at once, at the "
        "same step for each. Quality after all epochs that were timed.",
    ),
    Work(
        "lightgcn",
        "ml1m",
        "recbole",
        {"dim": 64, "layers": 3, "batch": 2048, "learning_rate": 1e-3},
        unit="an epoch",
        repeats=1,
        warm_peer=False,
        note="three layers over the whole graph in each step, BPR, Adam, one uniform negative that "
        "the user has not, no penalty on either side. Quality after the epochs that were timed, "
        "and on our side after one more.",
    ),
    Work(
        "mult_vae",
        "ml1m",
        "recbole",
        {"dim": 200, "hidden": (600,), "batch": 500, "learning_rate": 1e-3},
        unit="an epoch",
        repeats=3,
        note="items, 600, a Gaussian of 200, 600, items; batches of 500 users, half of the items "
        "dropped, Adam, the KL annealed alike. RecBole's draws have a hundredth of the standard "
        "deviation. Quality after all epochs that were timed.",
    ),
    Work(
        "neumf",
        "ml1m",
        "recbole",
        _NEUMF,
        unit="an epoch",
        repeats=3,
        quick=True,
        note="`deep_rec` with an MLP similarity of 128 and 64 units, beside the MLP part of "
        "RecBole's NeuMF; binary cross-entropy, one negative, Adam, no dropout. Ours has a layer "
        "of 64 in each tower more. Quality after all epochs that were timed.",
    ),
    Work(
        "neumf_ranking",
        "ml1m",
        "recbole",
        _NEUMF,
        unit="all users",
        repeats=1,
        warm_peer=False,
        note="NDCG@10 of every user over the full catalogue, after one epoch of `neumf`.",
    ),
    Work(
        "two_towers",
        "ml1m",
        "keras_rs",
        {"dim": 64, "hidden": 128, "batch": 4096, "learning_rate": 1e-3},
        unit="an epoch",
        repeats=3,
        quick=True,
        note="ids through 64, 128 and 64 units; in-batch softmax, log-Q correction, Adam. "
        "keras-rs adds next to nothing where its layer should remove accidental hits; ours masks "
        "them. Quality after all epochs that were timed.",
    ),
)


def _search(data: str, peer: str) -> Work:
    return Work(
        "search",
        data,
        peer,
        {"k": 100, "users": 10_000},
        quality="exact",
        repeats=3,
        variant=peer,
        quick=(data, peer) == ("gowalla", "faiss"),
        note="the 100 best items for 10,000 users by inner product (d 64), none left out: 41 K "
        "items of Gowalla, or a million random vectors. faiss: IndexFlatIP. Quality: the share of "
        "the exact lists that is found.",
    )


WORKS = (
    *SEQUENCES,
    *OTHER_SEQUENCES,
    *PAIRS,
    *(_search(data, peer) for data in ("gowalla", "random_1m") for peer in ("implicit", "faiss")),
    Work(
        "csv",
        "20m",
        "recbole",
        {"events": EVENTS["ours"], "peer_events": EVENTS["peer"]},
        quality=None,
        repeats=1,
        warm_peer=False,
        note="from a CSV of 20 million rows, in random order, to a leave-one-out split, each time "
        "in a new process. RecBole reads a tenth of it; its seconds and memory, less what its "
        "libraries take, are multiplied by ten. Ours is the whole process.",
    ),
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
