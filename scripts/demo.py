"""The main job on MovieLens-100K, as jaxrec commands in one process: see `make demo`.

With --readme FILE it also writes the table of results into that file, between the marks.
"""

import argparse
import re
import shlex
import sys
import time
from pathlib import Path

from jaxrec.cli import main
from jaxrec.compare import Record, accuracy_metrics, cell, read_records

RUNS = Path("runs/demo")
CONFIGS = ("ml100k_sasrec", "ml100k_deep_rec", "ml100k_mf", "ml100k_popularity", "ml100k_item_knn")
USER = "1"
BLOCK = re.compile(r"(<!-- results: .*? -->\n).*?(<!-- end of results -->)", re.DOTALL)


def demo() -> int:
    """Run the commands until one fails; a run that is finished already is not run again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write the results there too")
    readme = parser.parse_args().readme
    began = time.monotonic()
    folders = [str(RUNS / name) for name in CONFIGS]
    commands = [
        *(["train", name, "--workdir", folder] for name, folder in zip(CONFIGS, folders)),
        ["recommend", folders[0], "--user", USER, "-k", "10"],
        ["report", *folders, "--out", str(RUNS / "report.html")],
    ]
    for command in commands:
        print(f"\n$ jaxrec {shlex.join(command)}", flush=True)
        code = main(command)
        if code:
            return code
    print(f"\nThe demo took {time.monotonic() - began:.0f} s.")
    if readme:
        records = read_records([Path(folder) for folder in folders])
        text = BLOCK.sub(lambda found: found[1] + markdown(records) + found[2], readme.read_text())
        readme.write_text(text)
    return 0


def markdown(records: list[Record]) -> str:
    """Lay the results out as a Markdown table, with where they come from."""
    names = accuracy_metrics(records)
    rows = [
        ["run", *names, "fitted on", "seconds", "examples/s"],
        ["---", *("---:" for _ in names), "---", "---:", "---:"],
    ]
    for record in records:
        rate = record.metrics["examples_per_second"]
        rows.append(
            [
                f"`{record.name}`",
                *(cell(record, name) for name in names),
                record.basis["fit_on"],
                f"{record.metrics['seconds']:.1f}",
                f"{rate:,.0f}" if rate else "–",
            ]
        )
    first = records[0].metrics
    versions = ", ".join(f"{name} {first['versions'][name]}" for name in ("jax", "flax"))
    source = (
        f"Commit {first['commit'] or '–'}, {versions}, {first['device']}, {first['cores']} cores."
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + f"\n\n{source}\n"


if __name__ == "__main__":
    sys.exit(demo())
