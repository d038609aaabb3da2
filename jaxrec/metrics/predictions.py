"""Metrics of predicted values, event by event, as one linearised value a user."""

from dataclasses import dataclass

import numpy as np

from jaxrec.metrics.bootstrap import linearised
from jaxrec.metrics.protocol import Metric


@dataclass(frozen=True, eq=False)
class Predictions:
    """One entry an event: the user's row, the predicted value or log-odds, and the true value."""

    user: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def prediction_measures(
    wanted: dict[str, Metric], predictions: Predictions, users: np.ndarray
) -> dict[str, np.ndarray]:
    """Give each wanted metric's value of each of `users` (ascending); their mean is the metric."""
    scores, labels = predictions.scores, predictions.labels.astype(np.float64)
    place = np.searchsorted(users, predictions.user)
    counts = np.bincount(place, minlength=len(users))

    def mean(errors: np.ndarray, root: bool = False) -> np.ndarray:
        return linearised(np.bincount(place, errors, len(users)), counts, root=root)

    def auc() -> np.ndarray:
        area, influence = auc_influence(scores, labels)
        return area + len(users) * np.bincount(place, influence, len(users))

    measures = {
        "rmse": lambda: mean(np.square(scores - labels), root=True),
        "mae": lambda: mean(np.abs(scores - labels)),
        "log_loss": lambda: mean(np.logaddexp(0, np.where(labels > 0, -scores, scores))),
        "auc": auc,
    }
    return {name: measures[metric.kind]() for name, metric in wanted.items()}


def auc_influence(scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Give the area under the ROC curve and each event's influence on it; these sum to 0.

    Equal scores count a half, a NaN is below all; 0 where there are no two kinds of labels.
    Influences are the structural components of DeLong, DeLong & Clarke-Pearson (Biometrics 1988).
    """
    positive = labels > 0
    number = int(positive.sum()), int((~positive).sum())
    if not min(number):
        return 0.0, np.zeros(len(scores))
    scores = np.where(np.isnan(scores), -np.inf, scores)
    values, place = np.unique(scores, return_inverse=True)
    wins = []
    for own in (~positive, positive):
        at = np.bincount(place[own], minlength=len(values))
        wins.append((np.cumsum(at) - at / 2)[place])
    above_negatives = wins[0] / number[1]
    below_positives = 1 - wins[1] / number[0]
    area = float(above_negatives[positive].mean())
    influence = np.where(
        positive, (above_negatives - area) / number[0], (below_positives - area) / number[1]
    )
    return area, influence
