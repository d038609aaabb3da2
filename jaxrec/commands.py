"""What the commands of the command line run; `cli` imports this when one is given."""

import argparse
import contextlib
import glob
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxrec import repeat, trials
from jaxrec.config import Config, Source, load_config, load_space, override, to_json
from jaxrec.data.describe import describe, table_kind, write_table
from jaxrec.data.prepare import DataConfig, load
from jaxrec.errors import InputError
from jaxrec.evaluate import make_evaluator
from jaxrec.performance import cache_compilations
from jaxrec.recommend import Recommender, render
from jaxrec.run import load_run
from jaxrec.space import parse
from jaxrec.tune import search, write_best
from jaxrec.workdir import locked, read_json, write_arrays, write_json

_ACCELERATORS = {
    "/dev/nvidia[0-9]*": ("an NVIDIA GPU", "cuda13"),
    "/dev/kfd": ("an AMD GPU", "rocm"),
    "/dev/accel[0-9]*": ("a TPU", "tpu"),
}


def train(args: argparse.Namespace, rest: list[str]) -> None:
    """Train or fit, evaluate, save; `rest` overrides fields of the config."""
    config = load_config(args.config, rest)
    if config.objective is None:
        _check_baseline(args, config)
    cache_compilations()
    workdir = args.workdir or Path("runs") / Path(args.config).stem
    _say_device()
    result = repeat.train(
        config,
        workdir,
        seeds=args.seeds,
        init_from=args.init_from,
        trackers=_trackers(args, config),
        say=_say,
        profile=args.profile,
    )
    _say(metrics_table(result))
    _say(f"{result['seconds']:.1f} s; the run is in {workdir}")


def _check_baseline(args: argparse.Namespace, config: Config) -> None:
    """Refuse what only a run of steps can do."""
    if args.tensorboard or args.wandb or args.profile:
        raise InputError(
            "A baseline has no steps to follow; drop --tensorboard, --wandb and --profile."
        )
    if config.train.model_parallel != 1:
        raise InputError(
            f"train.model_parallel is {config.train.model_parallel}, and a baseline is fitted on "
            "one device; drop --train.model-parallel."
        )


def tune(args: argparse.Namespace, rest: list[str]) -> None:
    """Search on validation; leave the trials, a page on them and the best config."""
    config = load_config(args.config, rest)
    space = dict(map(parse, args.space)) or load_space(args.config)
    cache_compilations()
    name = Path(args.config).stem
    workdir = args.workdir or Path("runs") / f"tune-{name}"
    _say_device()
    found = search(
        config, space, workdir, name=name, trials=args.trials, timeout=args.timeout, say=_say
    )
    trials.write_csv(found, workdir / "trials.csv")
    trials.write_page(found, workdir / "trials.html")
    write_best(found, workdir / "best.py", args.config, rest)
    _say(trials.table(found))
    _say(f"the trials are in {workdir / 'trials.html'} and {workdir / 'trials.csv'}; now run")
    _say(f"jaxrec train {workdir / 'best.py'} --workdir {workdir / 'best'}")


def _trackers(args: argparse.Namespace, config: Config) -> list[Callable[[Path], Any]]:
    trackers: list[Callable[[Path], Any]] = []
    if args.tensorboard:
        from jaxrec.tracking.tensorboard import TensorboardWriter

        trackers.append(lambda workdir: TensorboardWriter(workdir / "tensorboard"))
    if args.wandb:
        from jaxrec.tracking.wandb import WandbWriter

        trackers.append(lambda workdir: WandbWriter(workdir, to_json(config)))
    return trackers


def evaluate(args: argparse.Namespace, rest: list[str]) -> None:
    """Measure a finished run on one part again; its other metrics stay as they are."""
    cache_compilations()
    run = load_run(args.workdir, _say_aside)
    if not len(getattr(run.prepared.split, args.split)):
        raise InputError(
            f"The split of {args.workdir} has no {args.split} events; see its data.split."
        )
    protocol = run.config.protocol
    if args.split == "validation" and protocol.fit_on != "train":
        raise InputError(
            f"{args.workdir} was fitted on its validation events, which can no longer measure it."
        )
    found = make_evaluator(run.scorer, run.prepared, args.split, protocol, run.config.seed)(
        run.variables
    )
    with locked(args.workdir):
        result = read_json(args.workdir / "metrics.json")
        result[args.split] = found.metrics
        result["intervals"][args.split] = found.intervals
        result["nan_scores"][args.split] = found.nan_scores
        write_arrays(
            args.workdir / f"per_user_{args.split}.npz", {"users": found.users, **found.per_user}
        )
        write_json(args.workdir / "metrics.json", result)
    _say(metrics_table(result, (args.split,)))


def recommend(args: argparse.Namespace, rest: list[str]) -> None:
    """Answer on stdout or into a file that appears whole; notices go to stderr."""
    if args.k < 1:
        raise InputError(f"-k is {args.k}; give a whole number of at least 1.")
    kind = args.format or _kind(args.out)
    cache_compilations()
    recommender = Recommender.load(args.workdir, _say_aside)
    options: dict[str, Any] = {
        "k": args.k,
        "exclude_seen": not args.include_seen,
        "allow": _items(args.allow, recommender),
        "deny": _items(args.deny, recommender),
        "fallback": args.fallback,
    }
    if args.history is not None:
        history = [item.strip() for item in args.history.split(",") if item.strip()]
        found = recommender.recommend(history=history, **options)
        answers: Iterator[tuple[Any, Any]] = iter([("history", found[0])])
    else:
        users = None if args.all_users else list(dict.fromkeys(args.user))
        answers = recommender.stream(users, **options)
    if args.out is None:
        sys.stdout.writelines(render(answers, kind))
        return
    with _replacing(args.out) as file:
        file.writelines(render(answers, kind))
    _say(f"written to {args.out}")


def _kind(out: Path | None) -> Any:
    """Take the format of answers from the file's ending."""
    kinds = {".json": "json", ".csv": "csv", ".txt": "table", "": "table"}
    ending = "" if out is None else out.suffix.lower()
    if ending not in kinds:
        raise InputError(
            f"{out} has no known ending; end it with .json, .csv or .txt, or add --format."
        )
    return kinds[ending]


def _items(given: str | None, recommender: Recommender) -> list[str] | None:
    """Read a list of item ids: one a line of a file, or separated by commas."""
    if given is None:
        return None
    try:
        # A long list of ids is no path: the name would be too long to ask for.
        is_file = len(given) < 256 and Path(given).is_file()
        text = Path(given).read_text() if is_file else given.replace(",", "\n")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{given} is no text file with one item id a line.") from None
    looks_like_a_path = "," not in given and (os.sep in given or Path(given).suffix)
    if not is_file and looks_like_a_path and not recommender.items.rows([given]).any():
        raise InputError(
            f"There is no file {given}, nor an item of that id; give a file with one item id a "
            "line, or ids separated by commas."
        )
    return [line.strip() for line in text.splitlines() if line.strip()]


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Any]:
    """Open a file that takes its name only when it is whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def data(args: argparse.Namespace, rest: list[str]) -> None:
    """Describe a source and, if asked to, write its events as one table."""
    if args.rows < 1:
        raise InputError(f"--rows is {args.rows}; give a whole number of at least 1.")
    if args.out is not None:
        table_kind(args.out)  # before the reading, which may take minutes
    chosen = override(Source(DataConfig(path=args.path)), rest)
    dataset = load(chosen.data, _say_aside)
    _say(describe(dataset, args.rows))
    if args.out is not None:
        write_table(dataset.interactions, args.out)
        _say(f"written to {args.out}")


def report(args: argparse.Namespace, rest: list[str]) -> None:
    """Write one page on several runs."""
    from jaxrec.report import write_report  # it needs the extra "plot"

    write_report(args.workdirs, args.out)
    _say(f"written to {args.out}")


def metrics_table(result: dict[str, Any], parts: Sequence[str] = ("validation", "test")) -> str:
    """Lay out the metrics of metrics.json, with intervals, or the sd over seeds or folds."""
    parts = [part for part in parts if result.get(part)]
    lines = [f"{'':<16}" + "".join(f"{part:<28}" for part in parts)]
    for name in result[parts[0]] if parts else ():
        cells = [_cell(result, part, name) for part in parts]
        lines.append(f"{name:<16}" + "".join(f"{cell:<28}" for cell in cells))
    return "\n".join(line.rstrip() for line in lines)


def _cell(result: dict[str, Any], part: str, name: str) -> str:
    if name not in result[part]:
        return ""
    text = f"{result[part][name]:.4f}"
    if "sd" in result:
        return f"{text} ± {result['sd'][part][name]:.4f}"
    interval = result.get("intervals", {}).get(part, {}).get(name)
    return text if interval is None else f"{text} [{interval[0]:.4f}, {interval[1]:.4f}]"


def _say(line: str) -> None:
    print(line, flush=True)


def _say_aside(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _say_device() -> None:
    """Name the devices, and warn of an accelerator that JAX does not use."""
    devices = jax.devices()
    _say(f"device: {len(devices)} × {devices[0].device_kind} ({devices[0].platform})")
    if devices[0].platform == "cpu" and "cpu" not in os.environ.get("JAX_PLATFORMS", ""):
        for pattern, (name, extra) in _ACCELERATORS.items():
            if glob.glob(pattern):
                _say_aside(f"{name} is here but unused: pip install 'jax[{extra}]' to run on it")


COMMANDS = {
    "train": train,
    "tune": tune,
    "evaluate": evaluate,
    "recommend": recommend,
    "data": data,
    "report": report,
}
