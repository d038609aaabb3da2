"""Ask a finished run for items, in the ids that its data came with; only its folder is read."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from jaxrec.data.histories import longest, positives, window
from jaxrec.data.interactions import Interactions, Vocabulary
from jaxrec.data.resident import Resident, question, question_of, resident
from jaxrec.errors import InputError
from jaxrec.retrieval import reads_times, top_k
from jaxrec.run import Run, Say, load_run
from jaxrec.typing import CSR, Batch

MEMORY_BUDGET = 2**26
"""Bytes that the histories of a chunk of users may take; top_k has its own budget for scores."""


class Recommendation(NamedTuple):
    """One item, in its raw id; the score compares within one user's list only."""

    item: Any
    score: float
    title: str | None


@dataclass(frozen=True, eq=False)
class Recommender:
    """A finished run that answers; what is known of a user is all of the run's data, test too."""

    run: Run
    variables: Any
    resident: Resident
    seen: CSR
    titles: np.ndarray | None
    say: Say

    @classmethod
    def load(cls, workdir: str | Path, say: Say = print) -> "Recommender":
        """Open the run in `workdir`; its notices go to `say`."""
        run = load_run(Path(workdir), say)
        events = known_events(run)
        known = resident(run.prepared, run.fitted_on, reads_times(run.scorer)).knowing(events)
        variables = run.scorer.precompute(run.variables, known.catalogue)
        return cls(run, variables, known, jax.device_put(positives(events)), _titles(run), say)

    @property
    def users(self) -> Vocabulary:
        return self.run.prepared.dataset.interactions.users

    @property
    def items(self) -> Vocabulary:
        return self.run.prepared.dataset.interactions.items

    def recommend(
        self,
        users: Sequence[Any] | None = None,
        history: Sequence[Any] | None = None,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        allow: Sequence[Any] | None = None,
        deny: Sequence[Any] | None = None,
        fallback: Literal["popularity"] | None = None,
    ) -> list[list[Recommendation]]:
        """Give the best k items for each user, or the one list for a history (oldest item first).

        All ids are raw. A list is shorter where fewer items are allowed and unseen. An unknown user
        is an InputError, unless `fallback` answers with the most popular items.
        """
        if (users is None) == (history is None):
            raise InputError("give either users or a history to recommend for.")
        _check(k, fallback)
        allowed = self._allowed(allow, deny)
        if history is not None:
            return [self._from_history(history, k, exclude_seen, allowed, fallback)]
        assert users is not None
        return [found for _, found in self._stream(users, k, exclude_seen, allowed, fallback)]

    def stream(
        self,
        users: Sequence[Any] | None = None,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        allow: Sequence[Any] | None = None,
        deny: Sequence[Any] | None = None,
        fallback: Literal["popularity"] | None = None,
    ) -> Iterator[tuple[Any, list[Recommendation]]]:
        """Like `recommend`, one (user, items) at a time, chunk by chunk; all users where None."""
        _check(k, fallback)
        allowed = self._allowed(allow, deny)
        asked = self.users.ids.tolist() if users is None else users
        return self._stream(asked, k, exclude_seen, allowed, fallback)

    def _stream(
        self,
        users: Sequence[Any],
        k: int,
        exclude_seen: bool,
        allowed: np.ndarray,
        fallback: str | None,
    ) -> Iterator[tuple[Any, list[Recommendation]]]:
        users = _listed(users)
        rows = self.users.rows(np.asarray(users))
        if not rows.all() and fallback is None:
            raise InputError(
                f"the user {users[int(np.argmin(rows))]} is not in the data of this run; "
                "add --fallback popularity to answer with popular items."
            )
        length = self._history_length()
        widest = max(longest(self.seen), 1)
        size = _chunk(len(rows), 4 * (widest + length))
        for start in range(0, len(rows), size):
            padded = np.zeros(size, np.int32)
            padded[: len(rows[start : start + size])] = rows[start : start + size]
            asked = jnp.asarray(padded)
            seen = window(self.seen, asked, widest)[0] if exclude_seen else None
            batch = question(self.resident, asked, length)
            answers = self._ask(batch, seen, allowed, k)
            for offset, row in enumerate(rows[start : start + size]):
                found = answers[offset] if row else self._popular(allowed, k)
                yield users[start + offset], found

    def _from_history(
        self,
        history: Sequence[Any],
        k: int,
        exclude_seen: bool,
        allowed: np.ndarray,
        fallback: str | None,
    ) -> list[Recommendation]:
        rows = self._known_items(history, "history", needed=fallback is None)
        if not len(rows):
            return self._popular(allowed, k)
        if exclude_seen:
            allowed = allowed.copy()
            allowed[rows] = False
        length = self._history_length()
        model, trained = self.run.config.model, self.run.config.objective is not None
        if length == 0 and getattr(model, "knows_users_by_id", trained):
            if fallback is None:
                raise InputError(
                    f"{type(model).__name__} knows users by their id and cannot answer a bare "
                    "history; ask a sequence model or a baseline such as item_knn, or add "
                    "--fallback popularity."
                )
            return self._popular(allowed, k)
        return self._ask(question_of(self.resident, [rows.tolist()], length), None, allowed, k)[0]

    def _ask(
        self, batch: Batch, seen: Int[Array, "batch m"] | None, allowed: np.ndarray, k: int
    ) -> list[list[Recommendation]]:
        k = min(k, len(self.items))
        scorer, where = self.run.scorer, jnp.asarray(allowed)
        items, scores = top_k(scorer, self.variables, batch, k, exclude=seen, allowed=where)
        return self._named(np.asarray(items), np.asarray(scores))

    def _popular(self, allowed: np.ndarray, k: int) -> list[Recommendation]:
        counts = np.where(allowed, np.asarray(self.resident.catalogue.counts), -np.inf)
        items = np.argsort(-counts, kind="stable")[: min(k, len(self.items))]
        return self._named(items[None, :], counts[items][None, :])[0]

    def _named(self, items: np.ndarray, scores: np.ndarray) -> list[list[Recommendation]]:
        ids, titles = self.items.ids, self.titles
        return [
            [
                Recommendation(
                    ids[item - 1].item()
                    if isinstance(ids[item - 1], np.generic)
                    else ids[item - 1],
                    float(score),
                    None if titles is None else titles[item - 1],
                )
                for item, score in zip(row, values, strict=True)
                if item > 0 and np.isfinite(score)
            ]
            for row, values in zip(items, scores, strict=True)
        ]

    def _allowed(self, allow: Sequence[Any] | None, deny: Sequence[Any] | None) -> np.ndarray:
        allowed = np.full(len(self.items) + 1, allow is None)
        if allow is not None:
            allowed[self._known_items(allow, "allow-list")] = True
        if deny is not None:
            allowed[self._known_items(deny, "deny-list", needed=False)] = False
        allowed[0] = False
        if not allowed.any():
            self.say("No item is left to recommend; the deny-list holds all that are allowed.")
        return allowed

    def _known_items(self, raw: Sequence[Any], name: str, needed: bool = True) -> np.ndarray:
        """Look items up; unknown ones are named and left out, unless none is known but needed."""
        raw = _listed(raw)
        rows = self.items.rows(np.asarray(raw)) if len(raw) else np.zeros(0, np.int32)
        if needed and not rows.any():
            shown = ", ".join(map(str, raw[:3])) or "nothing"
            raise InputError(f"no item of the {name} ({shown}) is in the data of this run.")
        unknown = [str(item) for item, row in zip(raw, rows, strict=True) if not row]
        if unknown:
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            self.say(f"Not in the data, left out of the {name}: {', '.join(unknown[:5])}{more}.")
        return rows[rows > 0]

    def _history_length(self) -> int:
        length = self.run.scorer.history_length
        return max(longest(self.resident.histories), 1) if length is None else length


def _check(k: Any, fallback: Any) -> None:
    if not isinstance(k, int) or k < 1:
        raise InputError(f"k is {k!r}; give a whole number of at least 1.")
    if fallback not in (None, "popularity"):
        raise InputError(f"fallback is {fallback!r}; give 'popularity' or None.")


def _listed(ids: Any) -> list[Any]:
    """Take one id, or any collection of them, as a list."""
    return [ids] if isinstance(ids, str | int) else list(ids)


def known_events(run: Run) -> Interactions:
    """All events of the run's data, targets and fold-ins included."""
    split = run.prepared.split
    parts = (
        split.train, split.validation, split.test, split.validation_fold_in, split.test_fold_in
    )  # fmt: skip
    return Interactions.concatenate(*[part for part in parts if part is not None])


def render(
    answers: Iterable[tuple[Any, list[Recommendation]]], kind: Literal["table", "json", "csv"]
) -> Iterator[str]:
    """Write each (user, items) as it comes: a table, an object of lists, or a line an item."""
    return {"table": _tables, "json": _json, "csv": _csv}[kind](answers)


def _json(answers: Iterable[tuple[Any, list[Recommendation]]]) -> Iterator[str]:
    before = "{\n"
    for user, found in answers:
        items = [
            {"item": item, "score": score} | ({} if title is None else {"title": title})
            for item, score, title in found
        ]
        yield f"{before}{json.dumps(str(user))}: {json.dumps(items, ensure_ascii=False)}"
        before = ",\n"
    yield "\n}\n" if before == ",\n" else "{}\n"


def _csv(answers: Iterable[tuple[Any, list[Recommendation]]]) -> Iterator[str]:
    yield _csv_line("user", "rank", "item", "score", "title")
    for user, found in answers:
        for rank, (item, score, title) in enumerate(found, 1):
            yield _csv_line(user, rank, item, f"{score:.6g}", title or "")


def _csv_line(*cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _tables(answers: Iterable[tuple[Any, list[Recommendation]]]) -> Iterator[str]:
    for user, found in answers:
        if not found:
            yield f"{user}\n  no item is left\n"
            continue
        width = max([len(str(item)) for item, _, _ in found] + [4])
        yield f"{user}\n  rank  {'item':<{width}}  {'score':>10}  title\n"
        for rank, (item, score, title) in enumerate(found, 1):
            line = f"  {rank:>4}  {item!s:<{width}}  {score:>10.4f}  {title or ''}"
            yield line.rstrip() + "\n"


def _chunk(users: int, row_bytes: int) -> int:
    """Users asked for at once: a power of two, so that few shapes are compiled."""
    size = 1
    while size < users and 2 * size * row_bytes <= MEMORY_BUDGET:
        size *= 2
    return size


def _titles(run: Run) -> np.ndarray | None:
    dataset = run.prepared.dataset
    if dataset.title is None or dataset.item_table is None:
        return None
    column = dataset.item_table[dataset.title]
    return np.array([None if none else str(x) for x, none in zip(column, column.isna())], object)
