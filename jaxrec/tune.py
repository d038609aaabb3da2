"""Honest tuning: trials of a config's fields, judged on validation alone, resumed after a kill.

Optuna draws (TPE; Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011) and
stops what falls behind the median of the trials before it (Golovin et al., "Google Vizier", KDD
2017). Each draw is seeded by the number of its trial, so a search that was cut off goes on with the
trials that it would have had. The test part is taken away before the first of them.
"""

import contextlib
import dataclasses
import math
import operator
import shutil
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrec import config as configs
from jaxrec import fields
from jaxrec.config import Config, assign, check_names, values_of
from jaxrec.data.describe import headline
from jaxrec.data.interactions import Dataset
from jaxrec.data.prepare import Prepared, load, prepare
from jaxrec.data.splits import KFold
from jaxrec.errors import InputError
from jaxrec.metrics.protocol import LOWER_IS_BETTER
from jaxrec.retrieval import baseline_scorer
from jaxrec.run import Say, difference
from jaxrec.space import Range
from jaxrec.train import make_validation, train_model
from jaxrec.trials import Search, Trial, show
from jaxrec.workdir import locked, read_json, write_json, write_text

PLACES = ("model", "objective", "batches", "optimizer", "train")
"""What may be tuned: trials on other data, splits or protocols would not compare."""
FULL_TRIALS = 5
"""Complete trials before one is pruned, and validations of a trial that are always waited for."""
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
"""Optuna's names and ours."""


def search(
    config: Config,
    space: Mapping[str, Range],
    workdir: str | Path,
    *,
    name: str = "config",
    dataset: Dataset | None = None,
    trials: int = 20,
    timeout: float | None = None,
    say: Say = print,
) -> Search:
    """Run trials until the workdir holds so many, or no new one may begin after timeout seconds.

    The first is the config as it stands. A trial that cannot be run counts as failed and is passed
    over, except the first, whose InputError is raised. dataset replaces the config's source.
    """
    optuna = _optuna()
    _check(config, space, trials)
    workdir, monitor = Path(workdir), config.protocol.monitor
    with locked(workdir):
        dataset = load(config.data, say) if dataset is None else dataset
        prepared = prepare(dataset, config.data, config.seed)
        if not len(prepared.split.validation):
            raise InputError(
                "the split has no validation events to tune on; hold some out with "
                "--data.split.validation 0.1 (where the config's data.split is None, let it be "
                "Given(validation=0.1))"
            )
        say(headline(prepared))
        _note(config, space, prepared, workdir)
        lower = monitor.startswith(LOWER_IS_BETTER)
        with _study(optuna, workdir / "trials.db", lower) as study:
            found = Search(name, monitor, lower, space, config.seed, [])
            end = math.inf if timeout is None else time.monotonic() + timeout
            prepared = blinded(prepared)
            while len(past := _finished(study)) < trials and time.monotonic() < end:
                _run_trial(optuna, study, len(past), config, space, prepared, workdir / "trial")
                found = dataclasses.replace(found, trials=_read(study, config, space))
                say(_line(found))
            found = dataclasses.replace(found, trials=_read(study, config, space))
    if not found.trials:
        raise InputError("no trial was run within --timeout; give it more seconds")
    return found


def write_best(search: Search, path: Path, base: str, overrides: Sequence[str]) -> None:
    """Write the best trial as a config file: the config named `base`, overridden, with its values.

    It can be used from any folder in which the overrides mean the same.
    """
    best = search.ranked()[0]
    values = {name: best.values[name] for name in search.space}
    spaces = "\n".join(f"          {name}: {span}" for name, span in search.space.items())
    doc = f"""{search.name}, tuned on validation; written by jaxrec tune.

Command:  jaxrec train {path}
Expected: validation {search.metric} {best.value:.4f}, the best of the trials below; test unknown.
Tuned:    trial {best.number} of {search.counts()}, seed {search.seed}, over
{spaces}
"""
    doc = doc.replace("\\", "\\\\").replace('"', '\\"')
    lines = "".join(f"            {name!r}: {value!r},\n" for name, value in values.items())
    code = f"""
from jaxrec.config import Config, assign, load_config


def get_config() -> Config:
    return assign(
        load_config({configs.portable(base)!r}, {[*overrides]!r}),
        {{
{lines}        }},
    )
"""
    write_text(path, f'"""{doc}"""\n{code}')


def blinded(prepared: Prepared) -> Prepared:
    """Take the test part away: what is not there cannot be tuned on."""
    split = prepared.split
    nothing = split.test.take(np.zeros(len(split.test), bool))
    return dataclasses.replace(
        prepared,
        dataset=dataclasses.replace(prepared.dataset, interactions=split.train),
        split=dataclasses.replace(split, test=nothing, test_fold_in=None),
    )


# What may be asked -------------------------------------------------------------------------------


def _optuna() -> Any:
    try:
        import matplotlib as mpl  # noqa: F401 - better missed now than after the last trial
        import optuna
    except ImportError as error:
        raise InputError(
            f"tuning needs {error.name}, which is not installed: pip install 'jaxrec[tune]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _check(config: Config, space: Mapping[str, Range], trials: int) -> None:
    if trials < 1:
        raise InputError(f"--trials is {trials}; give a whole number of at least 1")
    if not space:
        raise InputError(
            "there is nothing to tune: give the config a get_space(), or name a field's range as "
            "in --space optimizer.learning_rate=float:1e-4:1e-2:log"
        )
    check_names(config, space)
    for name, span in space.items():
        if name.split(".")[0] not in PLACES:
            raise InputError(
                f"{name} cannot be tuned, since its trials would not compare; the fields are those "
                f"of {', '.join(PLACES)}"
            )
        owner, _, field = name.rpartition(".")
        hint = typing.get_type_hints(type(operator.attrgetter(owner)(config)))[field]
        for value in span.ends:
            fields.check_value(value, hint, name)
    if config.protocol.select_on != "validation":
        raise InputError(
            "this config chooses on its test part, as its paper did, and tuning does not: give "
            "--protocol.select-on validation, and --data.split.validation 0.1 if there is none"
        )
    if isinstance(config.data.split, KFold) and config.data.split.fold is None:
        raise InputError(
            "of a k-fold split one fold is tuned on: give --data.split.fold 0 and "
            "--data.split.validation 0.1"
        )


def _note(config: Config, space: Mapping[str, Range], prepared: Prepared, workdir: Path) -> None:
    """Write down what is searched, or refuse a workdir that holds something else."""
    if (workdir / "config.json").exists():
        raise InputError(f"{workdir} holds a run; give another --workdir")
    path = workdir / "search.json"
    given = {
        "config": configs.to_json(config),
        "space": {name: str(span) for name, span in space.items()},
        "data": prepared.dataset.sha256,
    }
    changed = difference(read_json(path), given) if path.exists() else None
    if changed:
        raise InputError(f"{workdir} holds another search ({changed}); give another --workdir")
    write_json(path, given)


# Trials ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _study(optuna: Any, path: Path, lower: bool) -> Iterator[Any]:
    """Open the trials on the disk; those that a kill cut off become failed ones, not counted."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}")
    try:
        study = optuna.create_study(
            storage=storage,
            study_name="jaxrec",
            direction="minimize" if lower else "maximize",
            pruner=optuna.pruners.MedianPruner(FULL_TRIALS, FULL_TRIALS),
            load_if_exists=True,
        )
        states = optuna.trial.TrialState
        while study.get_trials(deepcopy=False, states=(states.WAITING,)):
            study.ask()
        for trial in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            study.tell(trial.number, state=states.FAIL)
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _finished(study: Any) -> list[Any]:
    """Give the trials that count: all that ended, but not those that a kill cut off."""
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    return [trial for trial in ended if trial.state.name != "FAIL" or "note" in trial.user_attrs]


def _run_trial(
    optuna: Any,
    study: Any,
    number: int,
    config: Config,
    space: Mapping[str, Range],
    prepared: Prepared,
    folder: Path,
) -> None:
    """Draw, measure and note one trial; the first one takes the config's own values."""
    entropy = np.random.SeedSequence((config.seed, number))
    study.sampler = optuna.samplers.TPESampler(seed=int(entropy.generate_state(1)[0]))
    own, asked = values_of(config), dict(space)
    if number == 0:
        asked = {name: span for name, span in space.items() if span.holds(own[name])}
        study.enqueue_trial({name: span.stored(own[name]) for name, span in asked.items()})
    trial = study.ask()
    values = {name: span.suggest(trial, name) for name, span in asked.items()}

    def report(step: int, value: float) -> None:
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    states = optuna.trial.TrialState
    try:
        value = _measure(assign(config, values), prepared, folder, report)
    except optuna.TrialPruned:
        study.tell(trial, state=states.PRUNED)
    except (InputError, jax.errors.JaxRuntimeError) as error:  # the latter: memory, mostly
        if number == 0:
            raise
        trial.set_user_attr("note", " ".join(str(error).split()))
        study.tell(trial, state=states.FAIL)
    else:
        study.tell(trial, value)


def _measure(
    config: Config, prepared: Prepared, folder: Path, report: Callable[[int, float], None]
) -> float:
    """Fit or train on train, and give the monitored metric on validation."""
    monitor, train = config.protocol.monitor, prepared.split.train
    seen: list[float] = []

    def hear(step: int, values: dict[str, float]) -> None:
        seen.append(values[monitor])
        # Steps of different batch sizes do not compare, validations do.
        report(len(seen), values[monitor])

    if config.objective is None:
        validate = make_validation(config, prepared, baseline_scorer(config.model))
        assert validate is not None, "the validation part has been checked"
        seen.append(validate(jax.device_put(config.model.fit(train)))[monitor])
    else:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            train_model(config, prepared, train, folder, None, None, (), lambda line: None, hear)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    best = (min if monitor.startswith(LOWER_IS_BETTER) else max)(seen)
    if not math.isfinite(best):
        raise InputError(f"the validation {monitor} is {best}")
    return best


def _read(study: Any, config: Config, space: Mapping[str, Range]) -> list[Trial]:
    """Give the trials that count, numbered anew."""
    own = values_of(config)
    return [
        Trial(
            number,
            {
                name: span.suggest(trial, name) if name in trial.params else own[name]
                for name, span in space.items()
            },
            trial.value,
            STATES[trial.state.name],
            trial.duration.total_seconds(),
            trial.user_attrs.get("note", ""),
        )
        for number, trial in enumerate(_finished(study))
    ]


def _line(search: Search) -> str:
    last, best = search.trials[-1], search.ranked()[0]
    value = last.note or "no value" if last.value is None else f"{last.value:.4f}"
    values = ", ".join(f"{name} {show(last.values[name])}" for name in search.space)
    return f"trial {last.number} {last.state}: {value} (best {best.value:.4f})  {values}"
