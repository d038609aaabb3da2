"""The command line: jaxrec train, tune, evaluate, recommend, data, report.

Heavy imports wait until a command runs, so that `jaxrec --help` answers at once. A mistake of the
user is one sentence on stderr and exit code 2.
"""

import argparse
import io
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jaxrec.errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 2 for a mistake, 130 for Ctrl-C."""
    parser = build_parser()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter shows "?"
            stream.reconfigure(errors="replace")
    try:
        args, rest = parser.parse_known_args(argv)
        if rest and not args.overridable:
            raise InputError(f"jaxrec {args.command} has no argument {rest[0]}; see --help.")
        _quieten()
        from jaxrec.commands import COMMANDS

        COMMANDS[args.command](args, rest)
    except InputError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(
            f"A file cannot be read or written{where}: {error.strerror or error}; mend that, "
            "then give the same command again.",
            file=sys.stderr,
        )
        return 2
    return 0


def _quieten() -> None:
    """Leave unsaid what Orbax says of an unusual or damaged checkpoint: we say what matters."""
    logging.getLogger("absl").setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    hook = sys.unraisablehook

    def report(late: Any) -> None:
        # Its other reads end after it has closed their event loop, some as the process exits.
        if str(late.exc_value) != "Event loop is closed":
            hook(late)

    sys.unraisablehook = report


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, and which never guesses an abbreviation."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help.")


class _Help(argparse.Action):
    """Show the help, and where a CONFIG stands before it the config's fields."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        parser.print_help()
        if getattr(namespace, "config", None):
            from jaxrec.config import load_config

            load_config(namespace.config, ["--help"])
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """Describe the commands, without importing what they run."""
    parser = _Parser(
        prog="jaxrec",
        description="Recommenders as pure functions of arrays: train, measure, ask.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_tune(commands)
    _add_evaluate(commands)
    _add_recommend(commands)
    _add_data(commands)
    _add_report(commands)
    return parser


def _command(commands: Any, name: str, help: str, **options: Any) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help, allow_abbrev=False, **options)
    parser.set_defaults(overridable=False)
    return parser


def _add_train(commands: Any) -> None:
    parser = _command(
        commands,
        "train",
        "Train or fit a config, evaluate and save it; go on if the folder holds its run.",
        epilog="Any field of the config follows as --field.name VALUE, such as --model.embed-dim "
        "128 or --data.path FILE; jaxrec train CONFIG --help lists them.",
        add_help=False,
    )
    _add_config(parser)
    parser.add_argument("--workdir", type=Path, help="folder of the run (default: runs/CONFIG)")
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="run N seeds; report mean ± sd"
    )
    parser.add_argument("--init-from", type=Path, metavar="DIR", help="start from DIR's parameters")
    parser.add_argument("--tensorboard", action="store_true", help="also write TensorBoard events")
    parser.add_argument("--wandb", action="store_true", help="also log to Weights & Biases")
    parser.add_argument(
        "--profile", action="store_true", help="trace a few steps and say where their time goes"
    )


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(overridable=True)
    parser.add_argument("config", metavar="CONFIG", help="a config's name or path")
    parser.add_argument(
        "-h", "--help", action=_Help, nargs=0, help="show this, and CONFIG's fields"
    )


def _add_tune(commands: Any) -> None:
    parser = _command(
        commands,
        "tune",
        "Search a config's fields on validation; the same command goes on after a stop.",
        epilog="Without --space the config's get_space() says what is searched. Fields that stay "
        "as they are follow as for train, such as --data.path FILE or --seed 1.",
        add_help=False,
    )
    _add_config(parser)
    parser.add_argument("--workdir", type=Path, help="its folder (default: runs/tune-CONFIG)")
    parser.add_argument(
        "--trials", type=int, default=20, metavar="N", help="trials in all (default: 20)"
    )
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="begin no trial after so long"
    )
    parser.add_argument(
        "--space",
        action="append",
        default=[],
        metavar="NAME=RANGE",
        help="search this field: NAME=int:LOW:HIGH, NAME=float:LOW:HIGH:log, NAME=choice:A,B; "
        "repeat it for more fields",
    )


def _add_evaluate(commands: Any) -> None:
    parser = _command(
        commands, "evaluate", "Measure a run again and merge the metrics into its files."
    )
    parser.add_argument("workdir", metavar="DIR", type=Path, help="folder of a run")
    parser.add_argument("--split", choices=("validation", "test"), default="test")


def _add_recommend(commands: Any) -> None:
    parser = _command(commands, "recommend", "Ask a run for the best items, in your own ids.")
    parser.add_argument("workdir", metavar="DIR", type=Path, help="folder of a run")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", nargs="+", action="extend", metavar="ID", help="users of the data")
    who.add_argument("--history", metavar="ITEM,ITEM", help="a bare history, oldest item first")
    who.add_argument("--all-users", action="store_true", help="every user of the data")
    parser.add_argument("-k", type=int, default=10, help="items a user (default: 10)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there, not to the screen")
    parser.add_argument(
        "--format", choices=("table", "json", "csv"), help="default: --out's ending, else table"
    )
    parser.add_argument("--allow", metavar="FILE|ITEM,ITEM", help="recommend only these items")
    parser.add_argument("--deny", metavar="FILE|ITEM,ITEM", help="never recommend these items")
    parser.add_argument("--include-seen", action="store_true", help="also what the user has met")
    parser.add_argument(
        "--fallback", choices=("popularity",), help="answer unknown users with what is popular"
    )


def _add_data(commands: Any) -> None:
    parser = _command(
        commands,
        "data",
        "Show what a file, folder or known data set holds, or convert it.",
        epilog="How it is read follows as for train: --data.format csv --data.user-column who",
    )
    parser.set_defaults(overridable=True)
    parser.add_argument("path", metavar="PATH", help="a path, or a name such as ml-100k")
    parser.add_argument("--rows", type=int, default=5, help="rows to show (default: 5)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write one table: .csv, .tsv, .jsonl or .parquet"
    )


def _add_report(commands: Any) -> None:
    parser = _command(commands, "report", "Compare runs on one self-contained page of HTML.")
    parser.add_argument("workdirs", metavar="DIR", nargs="+", type=Path, help="folders of runs")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE")
