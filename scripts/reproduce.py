"""Run one row of the benchmarks by name, from where it was cut off; see benchmarks/README.md."""

import argparse
import sys
from pathlib import Path

from benchmarks.page import table, write
from benchmarks.rows import HERE, Bench, Group, run
from jaxrec.errors import InputError


def main() -> int:
    """Run it, write its result and the page anew, and print the row beside what is published."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", help="a row of benchmarks/targets.toml, such as gowalla_popularity")
    parser.add_argument("--folder", type=Path, default=HERE, help="where targets.toml lies")
    arguments = parser.parse_args()
    bench = Bench(arguments.folder)
    try:
        row = bench.row(arguments.row)
        run(bench, row)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    write(bench)
    print("\n" + table(bench, Group(row.name, row.metrics, (row,))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
