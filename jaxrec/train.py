"""From a config to a measured run in a folder: `train_and_evaluate(config, workdir)`.

The folder holds what the run needs to go on after a kill, and to answer without its source:
config.json, dataset/ (the split in rows, and the raw ids behind them), checkpoints/, metrics.jsonl
(a line a compiled call and one a validation), metrics.json (the result) and per_user_<part>.npz;
where it was asked for, profile/ (a trace) and profile.md.
"""

import contextlib
import dataclasses
import functools
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxrec.checkpoint import Checkpoints, save_once
from jaxrec.config import Config
from jaxrec.data import stream
from jaxrec.data.batches import Batches
from jaxrec.data.describe import headline
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import Prepared
from jaxrec.data.resident import resident
from jaxrec.errors import InputError
from jaxrec.evaluate import Evaluation, make_evaluator
from jaxrec.metrics.protocol import LOWER_IS_BETTER
from jaxrec.performance import Performance, measure
from jaxrec.profile import Tracer, write_page
from jaxrec.retrieval import Scorer, baseline_scorer, model_scorer, reads_times
from jaxrec.run import Run, Say, answers, fitted_on, load_run, make_spec, open_run
from jaxrec.sharding import make_mesh, replicate
from jaxrec.tracking import jsonl
from jaxrec.tracking.log import Log, Writer
from jaxrec.train_state import Monitor, TrainState, create, grow
from jaxrec.train_step import TrainConfig, TrainSteps, make_train_steps
from jaxrec.workdir import locked, provenance, read_json, write_arrays, write_json

Report = Callable[[int, dict[str, float]], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """A scorer with its variables, and the checkpoint that they are; epochs is 0 for a baseline.

    first_step: when, by time.monotonic, the first call had ended; None if none ran.
    """

    scorer: Scorer
    variables: Any
    directory: Path
    step: int
    epochs: float
    performance: Performance | None = None
    first_step: float | None = None


def train_and_evaluate(
    config: Config,
    workdir: str | Path,
    interactions: Dataset | Interactions | None = None,
    *,
    init_from: str | Path | None = None,
    trackers: Sequence[Callable[[Path], Writer]] = (),
    say: Say = print,
    profile: bool = False,
) -> dict[str, Any]:
    """Train or fit, evaluate, save; return what stands in metrics.json.

    A run that was cut off goes on where its last checkpoint stands, and ends with the very numbers
    of one that was not; a finished run is returned as it is. interactions replaces the config's
    source. init_from is the workdir of a run whose parameters are started from, as far as ids and
    shapes agree. profile traces a few steps into the workdir, with a page on them, profile.md.
    """
    workdir, called = Path(workdir), time.monotonic()
    with locked(workdir):
        prepared = open_run(config, workdir, interactions, say)
        say(headline(prepared))
        if (workdir / "metrics.json").exists() and answers(workdir):
            say(f"The run in {workdir} is finished; its metrics are given again.")
            return read_json(workdir / "metrics.json")
        began = time.monotonic()
        if init_from is not None and config.objective is None:
            raise InputError("A baseline is fitted anew and starts from nothing; drop --init-from.")
        start = None if init_from is None else load_run(Path(init_from), say)

        def fit(events: Interactions, directory: Path, epochs: float | None = None) -> Fitted:
            if config.objective is None:
                return fit_baseline(config, events, directory)
            return train_model(
                config, prepared, events, directory, epochs, start, trackers, say, profile=profile
            )

        fitted = fit(prepared.split.train, workdir)
        parts = {"validation": evaluate_part(config, prepared, fitted, "validation")}
        if config.protocol.fit_on != "train":
            events = fitted_on(prepared, config.protocol.fit_on)
            first_step = fitted.first_step
            fitted = fit(events, workdir / "refit", fitted.epochs)
            fitted = dataclasses.replace(fitted, first_step=first_step)
        parts["test"] = evaluate_part(config, prepared, fitted, "test")
        seconds = time.monotonic() - began
        result = summary(config, prepared, fitted, parts, workdir, seconds, called)
        write_json(workdir / "metrics.json", result)
        return read_json(workdir / "metrics.json")


def fit_baseline(config: Config, events: Interactions, directory: Path) -> Fitted:
    """Fit in closed form and save the state; a fit that was killed starts again."""
    state = jax.device_put(config.model.fit(events))
    save_once(directory / "checkpoints", state)
    return Fitted(baseline_scorer(config.model), state, directory, step=0, epochs=0)


def train_model(
    config: Config,
    prepared: Prepared,
    events: Interactions,
    directory: Path,
    epochs: float | None,
    start: Run | None,
    trackers: Sequence[Callable[[Path], Writer]],
    say: Say,
    report: Report = lambda step, values: None,
    profile: bool = False,
) -> Fitted:
    """Train on `events` until validation gets no better; or, for a refit, for so many epochs.

    report hears of each validation, and ends training by what it raises. Raises InputError at a
    loss or gradient that is not finite. SIGTERM saves, then exits with 143.
    """
    train = config.train
    plan = plan_steps(config, prepared, events, epochs)
    state, batches, total, mesh = plan.state, plan.batches, plan.total, plan.mesh
    validate = None if epochs else make_validation(config, prepared, plan.scorer)
    performance = measure(plan.run, state, batches.data, replicate(np.int32(1), mesh), mesh)
    say(performance.headline(mesh))
    tracer = Tracer(plan.run, directory / "profile") if profile else None

    with Checkpoints(directory / "checkpoints") as checkpoints, terminable() as asked_to_stop:
        resumed = checkpoints.restore_latest(state, say)
        state = resumed or (state if start is None else warm_start(state, start, prepared))
        step = int(state.step)
        rate = batches.examples_per_epoch / batches.steps_per_epoch
        log = Log(directory, step, total, rate, trackers, performance.of_call)
        with contextlib.closing(log):
            while step < total and not exhausted(state.monitor, train.patience):
                n = plan.length(step)
                n = tracer.most(n) if tracer else n
                count = replicate(np.int32(n), mesh)
                asked = time.monotonic()
                data = plan.feed(step, n)
                waited = time.monotonic() - asked
                with jax.transfer_guard("disallow"):
                    state, metrics = (tracer or plan.run)(state, data, count)
                step += n
                log.calls(step, n, metrics, waited)
                at_border = step % plan.eval_every == 0 or step == total
                if at_border or asked_to_stop():
                    log.flush()
                    if at_border:
                        values = validate(state.variables()) if validate else {}
                        log.write(step, {f"validation/{k}": v for k, v in values.items()})
                        report(step, values)
                        state = dataclasses.replace(
                            state, monitor=watch(state.monitor, step, values, config)
                        )
                    checkpoints.save(state, step, int(state.monitor.step))
                    log.lap("checkpoints")
                if asked_to_stop():
                    checkpoints.wait()
                    say(f"Stopped at step {step} and saved; the same command goes on from there.")
                    raise SystemExit(143)
        checkpoints.wait()
        best = checkpoints.restore_best(state, say)
    if tracer:
        say(write_page(tracer, performance, log.spent, rate, directory / "profile.md"))
    assert best is not None, "the last step is always saved"
    kept = int(best.step)
    trained = kept / batches.steps_per_epoch
    seen = performance, log.first_step
    return Fitted(plan.scorer, best.variables(), directory, kept, trained, *seen)


@dataclasses.dataclass(frozen=True, eq=False)
class Steps:
    """What the loop needs: a state, the compiled steps that train it, their data, and how many.

    length: of a step, how many steps the call has that begins there. feed: of a call's first step
    and length, the data to pass to it.
    """

    scorer: Scorer
    mesh: jax.sharding.Mesh
    batches: Batches
    state: TrainState
    run: TrainSteps
    total: int
    eval_every: int
    length: Callable[[int], int]
    feed: Callable[[int, int], Any]


def plan_steps(
    config: Config, prepared: Prepared, events: Interactions, epochs: float | None
) -> Steps:
    """Build model, batches and state, for so many epochs or the config's."""
    train = config.train
    mesh = make_mesh(train.model_parallel)
    with jax.default_device(stream.host()):
        data = resident(prepared, events, reads_times(config.model))
        batches = config.batches.build(events, data, config.seed)
    model = config.model.build(make_spec(config, prepared, data))
    total = round((epochs or train.epochs) * batches.steps_per_epoch)
    eval_every = train.eval_every or batches.steps_per_epoch
    length = functools.partial(call_length, total, eval_every, train.steps_per_call)
    batches, feed = place(batches, mesh, train, length)
    tx = config.optimizer.build(total)
    init_key, step_key = jax.random.split(jax.random.key(config.seed))
    state = create(model, tx, batches, init_key, mesh, train.ema_decay is not None)
    run = make_train_steps(
        model,
        config.objective,
        tx,
        batches.batch_at,
        step_key,
        mesh,
        train.ema_decay,
        train.accumulate,
        by_rows=config.optimizer.tables == "rows",
    )
    scorer = model_scorer(model)
    return Steps(scorer, mesh, batches, state, run, total, eval_every, length, feed)


def call_length(total: int, eval_every: int, most: int, step: int) -> int:
    """Count the steps of a call; it ends at a multiple, so that a resumed run logs the same lines.

    0 at the end of training.
    """
    return min(total - step, eval_every - step % eval_every, most - step % most)


def place(
    batches: Batches, mesh: jax.sharding.Mesh, train: TrainConfig, length: Callable[[int], int]
) -> tuple[Batches, Callable[[int, int], Any]]:
    """Put the training data on the device if it fits, or make a stream of it from the host."""
    memory = (mesh.local_devices[0].memory_stats() or {}).get("bytes_limit")
    if stream.fits(batches.data, train.data_budget, memory):
        batches = dataclasses.replace(batches, data=replicate(batches.data, mesh))
        return batches, lambda step, n: batches.data
    feed = stream.Stream(batches, mesh, train.steps_per_call, length)
    first = feed(0, length(0))
    return dataclasses.replace(batches, data=first, batch_at=stream.batch_at), feed


def watch(monitor: Monitor, step: int, values: dict[str, float], config: Config) -> Monitor:
    """Compare the monitored value with the best so far; without one, the newest is the best."""
    name, best, waited = config.protocol.monitor, float(monitor.best), int(monitor.waited)
    value = values.get(name, best)
    value = -value if name in values and name.startswith(LOWER_IS_BETTER) else value
    if name not in values or value > best:
        best, waited = value, 0
    else:
        step, waited = int(monitor.step), waited + 1
    return jax.tree.map(
        lambda old, new: jax.device_put(np.asarray(new, old.dtype), old.sharding),
        monitor,
        Monitor(best, step, waited),  # type: ignore[arg-type]
    )


def exhausted(monitor: Monitor, patience: int | None) -> bool:
    """Tell whether validation has been no better for `patience` times in a row."""
    return patience is not None and int(monitor.waited) >= patience


def make_validation(
    config: Config, prepared: Prepared, scorer: Scorer
) -> Callable[[Any], dict[str, float]] | None:
    """Make the monitored metric's validation, without intervals; None if there is no such part."""
    part = config.protocol.select_on
    if not len(getattr(prepared.split, part)):
        return None
    quick = dataclasses.replace(config.protocol, metrics=(config.protocol.monitor,), resamples=0)
    evaluator = make_evaluator(scorer, prepared, part, quick, config.seed)
    return lambda variables: evaluator(variables).metrics


def evaluate_part(
    config: Config, prepared: Prepared, fitted: Fitted, part: Literal["validation", "test"]
) -> Evaluation | None:
    """Judge a fitted scorer on a part by the config's protocol; None if the part is empty."""
    if not len(getattr(prepared.split, part)):
        return None
    evaluator = make_evaluator(fitted.scorer, prepared, part, config.protocol, config.seed)
    return evaluator(fitted.variables)


def warm_start(state: TrainState, start: Run, prepared: Prepared) -> TrainState:
    """Take over another run's parameters; tables row by row, by raw id or category.

    What the other run did not know starts afresh.
    """
    rows: dict[str, np.ndarray] = {}
    for entity in ("user", "item"):
        new, old = (
            getattr(x.dataset.interactions, f"{entity}s") for x in (prepared, start.prepared)
        )
        rows[rf"(^|/){entity}_[^/]*/embedding$"] = np.append(np.int32(0), old.rows(new.ids))
        before = {x.spec.name: x for x in getattr(start.prepared, f"{entity}_encodings")}
        for encoding in getattr(prepared, f"{entity}_encodings"):
            name = encoding.spec.name
            if name in before:
                table = rf"{entity}.*_{re.escape(name)}/embedding$"
                rows[table] = encoding.codes_in(before[name])
    params = grow(state.params, start.variables["params"], rows)
    ema = None if state.ema is None else jax.tree.map(jnp.copy, params)
    return dataclasses.replace(state, params=params, ema=ema)


@contextlib.contextmanager
def terminable() -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM into a question that the loop asks; without effect outside the main thread."""
    asked: list[int] = []
    try:
        before = signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    except ValueError:
        yield lambda: False
        return
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGTERM, before)


def summary(
    config: Config,
    prepared: Prepared,
    fitted: Fitted,
    parts: dict[str, Evaluation | None],
    workdir: Path,
    seconds: float,
    called: float,
) -> dict[str, Any]:
    """Lay out metrics.json, and save each part's values per user for paired comparisons.

    called: when, by time.monotonic, training was asked for.
    """
    measured = {part: found for part, found in parts.items() if found is not None}
    for part, found in measured.items():
        write_arrays(workdir / f"per_user_{part}.npz", {"users": found.users, **found.per_user})
    lines = jsonl.read(workdir / "metrics.jsonl") + jsonl.read(workdir / "refit" / "metrics.jsonl")
    calls = [line for line in lines if "examples_per_second" in line]
    busy = sum(line["seconds"] for line in calls)
    rate = sum(line["examples_per_second"] * line["seconds"] for line in calls) / max(busy, 1e-9)
    split, performance = prepared.split, None
    if fitted.performance:
        waited = fitted.first_step and fitted.first_step - called
        performance = fitted.performance.summary(calls, waited)
    return {
        "test": measured["test"].metrics,
        "validation": measured["validation"].metrics if "validation" in measured else {},
        "intervals": {part: found.intervals for part, found in measured.items()},
        "nan_scores": {part: found.nan_scores for part, found in measured.items()},
        "protocol": dataclasses.asdict(config.protocol),
        "seed": config.seed,
        "seconds": max(seconds, sum(line["seconds"] for line in lines)),
        "train_seconds": busy or None,
        "examples_per_second": rate if calls else None,
        "performance": performance,
        "checkpoint": {
            "directory": str((fitted.directory / "checkpoints").relative_to(workdir)),
            "step": fitted.step,
            "epochs": fitted.epochs,
        },
        "data": {
            "name": prepared.dataset.name,
            "sha256": prepared.dataset.sha256,
            "users": len(split.train.users),
            "items": len(split.train.items),
            "events": {part: len(getattr(split, part)) for part in ("train", "validation", "test")},
        },
        **provenance(),
    }
