"""How a recommender is asked and judged; the numbers of two protocols do not compare."""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from jaxrec.errors import InputError

Ties = Literal["pessimistic", "optimistic", "random"]

RANKING = ("ndcg", "recall", "hit_rate", "precision", "mrr", "map")
"""Of the first k places of a user's list, against the user's targets."""
BEYOND_ACCURACY = ("coverage", "novelty", "gini", "diversity", "popularity", "popularity_bias")
"""Of the first k places alone, see metrics/beyond_accuracy.py."""
PREDICTION = ("rmse", "mae", "log_loss")
"""Of predicted values of the part's events."""
LOWER_IS_BETTER = (*PREDICTION, "gini", "popularity", "popularity_bias")


class Metric(NamedTuple):
    """A metric's name, parsed; k is None where the name has none."""

    kind: str
    k: int | None


def parse_metric(name: str) -> Metric:
    """Read `ndcg@10` and the like; raises InputError for a name that is not known."""
    found = re.fullmatch(r"(\w+)@([1-9]\d*)", name)
    if found and found[1] in RANKING + BEYOND_ACCURACY:
        return Metric(found[1], int(found[2]))
    if name == "auc" or name in PREDICTION:
        return Metric(name, None)
    known = [f"{kind}@k" for kind in RANKING + BEYOND_ACCURACY] + ["auc", *PREDICTION]
    raise InputError(f"the metric {name!r} is not known; give one of {' '.join(known)}")


@dataclass(frozen=True)
class Protocol:
    """Full catalogue, seen items left out, ties against the model, unless a field says otherwise.

    A question is what a list is asked for: a user with all targets of the part or, where means are
    over events, one event with itself as the target and the user's earlier events known.
    """

    fit_on: Literal["train", "train+validation"] = "train"
    """What the tested model is fitted on; "train+validation" refits after selection."""
    select_on: Literal["validation", "test"] = "validation"
    """The part that selection looks at; "test" only repeats papers without a validation part."""
    metrics: tuple[str, ...] = ("ndcg@10", "recall@10", "mrr@10")
    """ndcg recall hit_rate precision mrr map @k; auc; rmse mae log_loss; coverage novelty gini
    diversity popularity popularity_bias @k."""
    monitor: str = "ndcg@10"
    """The validation metric that early stopping and the best checkpoint follow."""
    ties: Ties = "pessimistic"
    """A target among equal scores ranks last, first, or anywhere. A NaN score ranks last always."""
    candidates: Literal["all", "lists", "uniform", "popularity"] = "all"
    """What a target is ranked against: every item, lists that came with the data, or a sample."""
    num_candidates: int = 100
    """How many items a sample draws for each question, with "uniform" and "popularity"."""
    sample_avoids: Literal["known", "train", "nothing"] = "known"
    """Items that a sample never draws: all known ones of the user, those in train only (SASRec
    draws the validation item too), or none. It never draws a target of the question."""
    replacement: bool = False
    """Whether a sample may draw an item twice, which then counts twice."""
    seen: Literal["exclude", "zero", "keep"] = "exclude"
    """Known items of the user: left out (a target among them still ranks), their score set to 0
    (S3-Rec's quirk; a target's too), or ranked like others."""
    recall: Literal["all", "capped"] = "all"
    """Denominator of recall and map: all targets, or min(k, targets) (Liang et al. 2018)."""
    ideal: Literal["targets", "k", "hits"] = "targets"
    """What NDCG divides by: the best list for the user's targets, that is min(k, targets) hits; k
    hits, however many targets there are; or the hits found, moved to the top (NGCF's code)."""
    auc: Literal["candidates", "events"] = "candidates"
    """Whether auc sets a user's targets against its other candidates, or the part's events of a
    positive value against its other events (click data)."""
    averaged_over: Literal["users", "all_users", "events"] = "users"
    """What a mean weighs alike: users with a target; all users, one without a target counting 0; or
    events (GRU4Rec), the known items growing by one each."""
    min_history: int = 0
    """Fewest known items of a question; 1 leaves out the first event of a new session."""
    max_users: int | None = None
    """Ask at most so many users, drawn at random (SASRec: 10,000); None asks all."""
    clip: tuple[float, float] | None = None
    """Lowest and highest predicted value, such as the ends of the rating scale; None: any."""
    confidence: float = 0.95
    """Level of the bootstrap intervals over users."""
    resamples: int = 1000
    """Bootstrap resamples; 0 gives no intervals."""

    def __post_init__(self) -> None:
        if not self.metrics:
            raise InputError("protocol.metrics is empty; name at least one, such as ndcg@10")
        for name in (*self.metrics, self.monitor):
            parse_metric(name)
        if not 0 < self.confidence < 1:
            raise InputError(f"protocol.confidence is {self.confidence}; give it within 0 and 1")
        least = {"num_candidates": 1, "min_history": 0, "resamples": 0, "max_users": 1}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise InputError(
                    f"protocol.{name} is {value}; give a whole number of at least {low}"
                )
        if self.clip is not None and not self.clip[0] < self.clip[1]:
            raise InputError(
                f"protocol.clip is {self.clip}; give the lowest value, then the highest"
            )
