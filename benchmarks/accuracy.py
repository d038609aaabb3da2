"""Run the rows of a suite that have no result yet, print its table, and write the page anew.

    python benchmarks/accuracy.py --suite baselines [--rows a,b] [--rerun]

Each row runs in a process of its own. A row that was cut off goes on where it was. The exit code is
1 unless every gated row of those asked for passes.
"""

import argparse
import dataclasses
import subprocess
import sys
from pathlib import Path

from benchmarks.page import table, write
from benchmarks.rows import HERE, ROOT, Bench, Group, Row, rows_of, status
from jaxrec.errors import InputError


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--suite", default="baselines", help="a suite of targets.toml")
    parser.add_argument("--rows", help="only these, with commas between")
    parser.add_argument("--rerun", action="store_true", help="run rows that have a result too")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--folder", type=Path, default=HERE, help="where targets.toml lies")
    arguments = parser.parse_args()
    bench = Bench(arguments.folder)
    try:
        groups = chosen(bench, arguments.suite, arguments.rows)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    rows = list(rows_of(groups))
    if arguments.rerun:
        for row in rows:
            bench.path(row).unlink(missing_ok=True)
    why = {} if arguments.table else run_missing(bench, rows)
    write(bench)
    for group in groups:
        print(f"\n{group.title}\n\n{table(bench, group)}")
    print()
    for name, reason in why.items():
        print(f"{name} did not run: {reason}.")
    gated = [status(row, bench.result(row)) for row in rows if row.gated]
    print(f"{gated.count('pass')} of {len(gated)} gated rows are inside their tolerance.")
    return int(gated.count("pass") < len(gated))


def chosen(bench: Bench, suite: str, names: str | None) -> list[Group]:
    """Take a suite's groups, with only the rows that are named."""
    suites = bench.suites()
    if suite not in suites:
        raise InputError(f"No suite is named {suite!r}; the suites are {', '.join(suites)}.")
    if names is None:
        return suites[suite]
    wanted = {bench.row(name).name for name in names.split(",")}
    groups = (
        dataclasses.replace(group, rows=tuple(row for row in group.rows if row.name in wanted))
        for group in suites[suite]
    )
    return [group for group in groups if group.rows]


def run_missing(bench: Bench, rows: list[Row]) -> dict[str, str]:
    """Run each row without a result in its own process; say by name why one gave none."""
    why = {}
    for row in rows:
        if bench.result(row) is not None:
            continue
        try:
            row.build()
        except InputError as error:
            why[row.name] = str(error)
            continue
        print(f"\n== {row.name}", flush=True)
        script = str(ROOT / "scripts" / "reproduce.py")
        done = subprocess.run([sys.executable, script, row.name, "--folder", str(bench.folder)])
        if done.returncode:
            why[row.name] = f"it ended with exit code {done.returncode}, see above"
    return why


if __name__ == "__main__":
    sys.exit(main())
