"""What an evaluation asks: whose list, after which known items, against which targets."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from jaxrec.data.histories import elapsed, histories, times
from jaxrec.data.interactions import Interactions
from jaxrec.metrics.protocol import Protocol


@dataclass(frozen=True, eq=False)
class Questions:
    """One entry a question: the user's known items are items[start:stop], oldest first.

    time: when they were met, in seconds; None where no model asked for it.
    target_indptr, targets: the distinct targets of question q are targets[indptr[q]:indptr[q + 1]].
    """

    user: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    items: np.ndarray
    target_indptr: np.ndarray
    targets: np.ndarray
    time: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.user)

    def take(self, chosen: np.ndarray) -> "Questions":
        """Keep questions, in the order given."""
        counts = np.diff(self.target_indptr)[chosen]
        return dataclasses.replace(
            self,
            user=self.user[chosen],
            start=self.start[chosen],
            stop=self.stop[chosen],
            target_indptr=np.concatenate([[0], np.cumsum(counts)]),
            targets=self.targets[spans(self.target_indptr[:-1][chosen], counts)],
        )


def ask(
    known: Interactions,
    targets: Interactions,
    protocol: Protocol,
    seed: int,
    reads_times: bool = False,
) -> Questions:
    """Make the questions of a part, those with most targets first, then those with most known
    items.

    So questions that stand together cost alike. known: what is known of users when the part is
    asked.
    """
    by_event = protocol.averaged_over == "events"
    questions = (_by_event if by_event else _by_user)(known, targets, reads_times)
    keep = questions.stop - questions.start >= protocol.min_history
    if protocol.averaged_over != "all_users":
        keep &= np.diff(questions.target_indptr) > 0
    users = np.unique(questions.user[keep])
    if protocol.max_users is not None and protocol.max_users < len(users):
        drawn = np.random.default_rng(seed).choice(users, protocol.max_users, replace=False)
        keep &= np.isin(questions.user, drawn)
    chosen = np.flatnonzero(keep)
    targets_of = np.diff(questions.target_indptr)[chosen]
    known_of = (questions.stop - questions.start)[chosen]
    return questions.take(chosen[np.lexsort((chosen, -known_of, -targets_of))])


def known_in(questions: Questions, events: Interactions) -> Questions:
    """Ask the same with only `events` known."""
    csr = histories(events)
    indptr, items = np.asarray(csr.indptr, np.int64), np.asarray(csr.indices, np.int32)
    start, stop = indptr[questions.user], indptr[questions.user + 1]
    return dataclasses.replace(questions, start=start, stop=stop, items=items, time=None)


def spans(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """List start, start + 1, … of each span, count of them, one span after the other."""
    ends = np.cumsum(counts)
    return np.arange(counts.sum()) + np.repeat(starts - (ends - counts), counts)


def _by_user(known: Interactions, targets: Interactions, reads_times: bool) -> Questions:
    num_users = len(known.users.ids)
    csr = histories(known)
    indptr, items = np.asarray(csr.indptr, np.int64), np.asarray(csr.indices, np.int32)
    width = len(known.items.ids) + 1
    pairs = np.unique(targets.user.astype(np.int64) * width + targets.item)
    counts = np.bincount(pairs // width, minlength=num_users + 1)[1:]
    return Questions(
        user=np.arange(1, num_users + 1, dtype=np.int32),
        start=indptr[1:-1],
        stop=indptr[2:],
        items=items,
        target_indptr=np.concatenate([[0], np.cumsum(counts)]),
        targets=(pairs % width).astype(np.int32),
        time=np.asarray(times(known).indices) if reads_times else None,
    )


def _by_event(known: Interactions, targets: Interactions, reads_times: bool) -> Questions:
    user = np.concatenate([known.user, targets.user])
    asked = np.arange(len(user)) >= len(known)
    # Stable: a user's known events stand before those asked for, both in their own order.
    order = np.argsort(user, kind="stable")
    user, asked = user[order], asked[order]
    items = np.concatenate([known.item, targets.item])[order].astype(np.int32)
    time = elapsed(np.concatenate([known.timestamp, targets.timestamp])) if reads_times else None
    events = np.flatnonzero(asked)
    return Questions(
        user=user[events].astype(np.int32),
        start=np.searchsorted(user, user[events], side="left"),
        stop=events,
        items=items,
        target_indptr=np.arange(len(events) + 1),
        targets=items[events],
        time=None if time is None else time[order],
    )
