"""Where a step goes: a trace of a few steps, for Perfetto or XProf, and one page of text on it.

The operations of a trace have XLA's names. The compiled program says what is in each (a fusion is
of the kind of the costliest operation in it) and which line of the model it came from (op_name).
"""

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from jaxrec.performance import Performance
from jaxrec.train_step import TrainSteps

STEPS = 20
"""Most steps that are traced: a step may have thousands of operations."""
ROWS = 20
"""Most places that the page lists."""
KINDS = (
    ("matrix products", r"dot|convolution|custom-call"),
    ("scatter", r"scatter|select-and-scatter"),
    ("sort", r"sort|topk"),
    ("random numbers", r"xor|rng.*"),
    ("gather", r"gather"),
    ("communication", r"all-.*|reduce-scatter|collective-.*"),
    ("reductions", r"reduce|reduce-window"),
    ("loops and calls", r"while|conditional|call"),
    ("elementwise", r""),
    (
        "copies",
        r"copy.*|transpose|bitcast.*|concatenate|pad|.*slice|broadcast|reshape|iota|parameter"
        r"|constant|tuple|get-tuple-element",
    ),
)
"""Kinds by HLO opcode, the costliest first; what matches none is elementwise."""
RANKS = {kind: rank for rank, (kind, _) in enumerate(KINDS)}


Span = tuple[float, float, str]
"""Start and end, in seconds, of a named operation."""


class Tracer:
    """Compiled steps whose second call, when all is compiled, is traced; results stay."""

    def __init__(self, run: TrainSteps, directory: Path):
        self._run, self.directory, self._calls = run, directory, 0
        self.steps, self.seconds, self.overhead, self.program = 0, 0.0, 0.0, ""

    def most(self, n: int) -> int:
        """Tell how many of n steps the next call may make."""
        return min(n, STEPS) if self._calls == 1 else n

    def __call__(self, state: Any, data: Any, n: Any) -> Any:
        self._calls += 1
        if self._calls != 2:
            return self._run(state, data, n)
        called = time.perf_counter()
        self.program = self._run.lower(state, data, n).compile().as_text()  # type: ignore[attr-defined]
        self.steps = int(jax.device_get(n))
        jax.block_until_ready(state)
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0
        with jax.profiler.trace(self.directory, profiler_options=options):
            began = time.perf_counter()
            found = jax.block_until_ready(self._run(state, data, n))
            self.seconds = time.perf_counter() - began
        self.overhead = time.perf_counter() - called - self.seconds
        return found


@dataclass(frozen=True)
class Operation:
    """One operation of the compiled program: of what kind, and from where in the source."""

    kind: str
    place: str


def operations(program: str) -> dict[str, Operation]:
    """Read a compiled program's text: each operation by its name.

    What XLA made without an op_name is taken to be of its first operand's place.
    """
    inside: dict[str, list[tuple[int, str]]] = defaultdict(list)
    found: dict[str, tuple[int, str]] = {}
    called: dict[str, str] = {}
    computation = ""
    for line in program.splitlines():
        if header := re.match(r"(?:ENTRY )?%?([\w.-]+) \(.*\{$", line):
            computation = header[1]
        elif part := re.match(r"\s+(?:ROOT )?%?([\w.-]+) = (.*? )([a-z][\w-]*)\((.*)", line):
            name, shape, opcode, rest = part.groups()
            operands = (found[x][1] for x in re.findall(r"%([\w.-]+)", rest) if x in found)
            path = re.search(r'op_name="([^"]*)"', rest)
            found[name] = (
                _rank(opcode, shape),
                path[1] if path else next(filter(None, operands), ""),
            )
            inside[computation].append(found[name])
            if opcode == "fusion" and (fused := re.search(r"calls=%?([\w.-]+)", rest)):
                called[name] = fused[1]
    for name, computation in called.items():
        costliest, origin = min(inside[computation], key=lambda operation: operation[0])
        found[name] = costliest, origin or found[name][1]
    return {name: Operation(KINDS[rank][0], _place(path)) for name, (rank, path) in found.items()}


def _rank(opcode: str, shape: str) -> int:
    for rank, (_, opcodes) in enumerate(KINDS):
        if re.fullmatch(opcodes, opcode):
            return rank
    # threefry and Feistel compute in uint32, and nothing else does.
    return RANKS["random numbers" if shape.startswith("u32[") else "elementwise"]


def _place(path: str, depth: int = 3) -> str:
    """Shorten "jit(steps)/while/body/objective/transpose(jvp(Model.method))/Block_0/add"."""
    parts = []
    for part in path.split("/")[:-1]:
        part = re.sub(r"^(?:(?:transpose|jvp|vmap|remat|checkpoint)\()+(.*?)\)*$", r"\1", part)
        if part and not re.match(r"jit\(|(while|body|cond|closed_call|checkpoint)$|.*<", part):
            parts.append(part)
    parts = [part for part in parts if part != "objective"] or parts[:1]
    back = ", backward" if "transpose(" in path else ""
    return ("/".join(parts[:depth]) or "what XLA made without a name") + back


def busy_times(trace: Path, program: str) -> tuple[dict[str, float], float]:
    """Sum the seconds of each operation by itself, without those inside it.

    Secondly, the seconds in which any was at work; on several cores or streams they overlap.
    """
    (module,) = re.findall(r"^HloModule ([\w.-]+)", program, re.MULTILINE)
    spent: dict[str, float] = defaultdict(float)
    spans: list[Span] = []
    for plane in jax.profiler.ProfileData.from_file(str(trace)).planes:
        lines = {line.name: line for line in plane.lines}
        for line in [lines["XLA Ops"]] if "XLA Ops" in lines else lines.values():
            events = []
            for event in line.events:
                stats = dict(event.stats)
                if "hlo_op" in stats and stats.get("hlo_module", module) == module:
                    stop = event.start_ns + event.duration_ns
                    events.append((event.start_ns / 1e9, stop / 1e9, str(stats["hlo_op"])))
            for name, seconds in by_itself(events):
                spent[name] += seconds
            spans += events
    return spent, union(spans)


def by_itself(events: list[Span]) -> Iterator[tuple[str, float]]:
    """Give each event's seconds, and take them off the event around it."""
    around: list[Span] = []
    for start, stop, name in sorted(events, key=lambda event: (event[0], -event[1])):
        while around and around[-1][1] <= start:
            around.pop()
        if around:
            yield around[-1][2], start - stop
        yield name, stop - start
        around.append((start, stop, name))


def union(spans: list[Span]) -> float:
    """Measure the time that is within any of the spans."""
    total, reached = 0.0, 0.0
    for start, stop, _ in sorted(spans):
        total += max(stop - max(start, reached), 0.0)
        reached = max(reached, stop)
    return total


def write_page(
    tracer: Tracer,
    performance: Performance,
    spent: Mapping[str, float],
    examples_per_step: float,
    out: Path,
) -> str:
    """Write the page, at most 60 lines of Markdown, and return it.

    spent: seconds of the whole run by what they went to.
    """
    spent = dict(spent)
    spent["calls"] = max(spent.get("calls", 0.0) - tracer.overhead, 0.0)
    spent["tracing"] = tracer.overhead
    traces = sorted(tracer.directory.glob("plugins/profile/*/*.xplane.pb"))
    parts = ["# Where a step goes", ""]
    if traces:
        parts += _of_step(tracer, performance, examples_per_step, traces[-1])
    else:
        parts += [
            "Nothing was traced: the run made a single call, and the second one is traced.",
            "",
        ]
    parts += ["# Where the run went", "", *_table(spent, sum(spent.values()), "seconds"), ""]
    parts += ["Compiling is part of the first call. The final evaluation is not counted here."]
    page = "\n".join(parts) + "\n"
    out.write_text(page)
    return page


def _of_step(
    tracer: Tracer, performance: Performance, examples_per_step: float, trace: Path
) -> list[str]:
    spent, busy = busy_times(trace, tracer.program)
    known = operations(tracer.program)
    # Operations overlap on several cores; a share of the time is given by the shares of their sum.
    scale = 1e3 * busy / max(sum(spent.values()), 1e-12) / tracer.steps
    idle = {"no operation runs": 1e3 * max(tracer.seconds - busy, 0.0) / tracer.steps}
    kinds: dict[str, float] = defaultdict(float, idle)
    places: dict[str, float] = defaultdict(float)
    for name, seconds in spent.items():
        of = known.get(name, Operation("elementwise", "not in the compiled program"))
        kinds[of.kind] += seconds * scale
        places[f"{of.place}: {of.kind}"] += seconds * scale
    step = tracer.seconds / tracer.steps
    share = performance.of_call(1, step, 0.0)["matmul_share"]
    first = dict(sorted(places.items(), key=lambda row: -row[1])[:ROWS])
    rest = {"the rest": sum(places.values()) - sum(first.values())}
    return [
        f"{tracer.steps} steps were traced: {1e3 * step:,.3g} ms a step, "
        f"{examples_per_step / step:,.0f} examples/s, {share:.1%} of the matmul rate.",
        "",
        *_table(kinds, 1e3 * step, "ms a step"),
        "",
        *_table(first | rest | idle, 1e3 * step, "ms a step"),
        "",
        f"The trace: {trace.parent}",
        "Open its .trace.json.gz at https://ui.perfetto.dev, or its folder with XProf.",
        "",
    ]


def _table(values: Mapping[str, float], total: float, unit: str) -> list[str]:
    rows = sorted(values.items(), key=lambda row: -row[1])
    return [f"| % | {unit} | |", "| ---: | ---: | --- |"] + [
        f"| {value / max(total, 1e-12):.1%} | {value:,.3g} | {name} |" for name, value in rows
    ]
