"""The samples of all benchmarks, kept in a file so that they can be taken one by one, and the page made of them."""

from __future__ import annotations

import fcntl
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.machine import describe_machine
from benchmarks.pipeline.processes import Cost

SAMPLES = Path("benchmarks/pipeline/samples.json")
LOCK = Path(tempfile.gettempdir()) / "hilir-benchmarks.lock"
NOTES = Path("benchmarks/pipeline/notes.md")
"""What was tried and what limits the figures, which stands at the end of the page."""
PAGE = Path("benchmarks/RESULTS.md")
QUIET = 2.0
"""The load up to which the benchmark has two cores for itself."""


@dataclass(frozen=True)
class Ratio:
    """Two measurements whose samples were taken in turn, and the aim for the one over the other."""

    what: str
    name: str
    over: str
    aim: float
    at_least: bool = False
    field: str = "wall"


RATIOS = (
    Ratio("whole run, 15,002 rows: ours / stock", "15,002 rows: ours", "15,002 rows: stock", 0.40),
    Ratio("whole run, 300,040 rows: ours / stock", "300,040 rows: ours", "300,040 rows: stock", 0.40),
    Ratio("ingest of CSV, one process: stock / ours", "ingest of CSV: stock", "ingest of CSV: ours", 9, at_least=True),
    Ratio(
        "ingest of CSV, two processes: stock / ours",
        "ingest of CSV: stock", "ingest of CSV: multiprocess", 14, at_least=True,
    ),
    Ratio(
        "ingest of Parquet, one process: stock / ours",
        "ingest of Parquet: stock", "ingest of Parquet: ours", 20, at_least=True,
    ),
    Ratio("Evaluator, 100,000 rows: ours / stock", "Evaluator: ours", "Evaluator: stock", 0.25),
    *(
        Ratio(f"{step}: 3,000,400 rows / 300,040", f"{step}, 3,000,400 rows", f"{step}, 300,040 rows", 11)
        for step in ("ExampleGen", "StatisticsGen", "Transform", "Evaluator")
    ),
    *(
        Ratio(
            f"{step}, resident memory: 3,000,400 rows / 300,040",
            f"{step}, 3,000,400 rows", f"{step}, 300,040 rows", 1.3, field="memory",
        )
        for step in ("ExampleGen", "StatisticsGen", "Transform", "Evaluator")
    ),
)  # fmt: skip
BOUNDS = {
    "3,000 columns of which 2 are read, 80 rows": 45.0,
    "all cached, 15,002 rows": 4.0,
    "hilir --help": 0.15,
}
_INTRODUCTION = """\
Whole processes from start to end, ours and stock in turn. Stock: TFX's components with their default settings,
`module_file`, DirectRunner in memory (benchmarks/pipeline/stock.py). Rows, steps, network, slices and metrics are the
same on both sides; preflight, reference and report are counted as ours. `ingest` and `Evaluator` are the executors
alone, without imports. Resident memory is that of the largest process, imports included.

`make bench` takes all samples, `make bench ARGS="small columns"` those of some; samples are kept in
`benchmarks/pipeline/samples.json`, and this page is made of them. The load is that of the last minute at a sample's
end: on this machine of two cores a load above 2 means that other work slowed it down, both sides of a pair alike;
processor seconds depend less on it."""


def add_sample(name: str, cost: Cost) -> None:
    """Keeps a sample, and prints it."""
    with _changed() as samples:
        samples.append({"name": name, "date": f"{datetime.now(UTC):%Y-%m-%d}"} | asdict(cost))
    print(f"{name}: {cost.wall:.2f} s, processor {cost.cpu:.2f} s, load {cost.load:.1f}", flush=True)


def remove_samples(prefixes: Sequence[str]) -> None:
    """Forgets the samples whose names begin so, before they are taken anew."""
    with _changed() as samples:
        samples[:] = [each for each in samples if not str(each["name"]).startswith(tuple(prefixes))]


@contextmanager
def _changed() -> Iterator[list[dict[str, object]]]:
    """Gives the samples to change; two benchmarks may run at the same time."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        samples = read_samples()
        yield samples
        SAMPLES.write_text("[\n" + ",\n".join(json.dumps(each) for each in samples) + "\n]\n")


def read_samples() -> list[dict[str, object]]:
    """Returns the samples in the order in which they were taken."""
    found: list[dict[str, object]] = json.loads(SAMPLES.read_text()) if SAMPLES.exists() else []
    return found


def write_page() -> None:
    """Writes the page."""
    samples = read_samples()
    names = list(dict.fromkeys(str(each["name"]) for each in samples))
    lines = [
        "# The pipeline against the stock one",
        "",
        f"Machine: {describe_machine()}.",
        "",
        _INTRODUCTION,
        "",
        "| figure | median | spread | processor seconds | aim | |",
        "| --- | --- | --- | --- | --- | --- |",
        *_list_ratios(samples),
        *_list_bounds(samples),
        "",
        "| measured | seconds | spread | processor | memory | load | samples | date |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_describe(name, [each for each in samples if each["name"] == name]) for name in names),
        "",
    ]
    PAGE.write_text("\n".join(lines) + NOTES.read_text())


def _values(samples: list[dict[str, object]], name: str, field: str) -> list[float]:
    return [float(str(each[field])) for each in samples if each["name"] == name]


def _list_ratios(samples: list[dict[str, object]]) -> Iterator[str]:
    for ratio in RATIOS:
        pairs = zip(_values(samples, ratio.name, ratio.field), _values(samples, ratio.over, ratio.field), strict=False)
        found = [one / other for one, other in pairs]
        if not found:
            yield f"| {ratio.what} | not measured | | | {_aim(ratio)} | |"
            continue
        middle = median(found)
        met = middle >= ratio.aim if ratio.at_least else middle <= ratio.aim
        processor = ""
        if ratio.field == "wall":
            pairs = zip(_values(samples, ratio.name, "cpu"), _values(samples, ratio.over, "cpu"), strict=False)
            processor = f"{median([one / other for one, other in pairs]):.2f}"
        spread = f"{min(found):.2f} to {max(found):.2f}, {len(found)} pair{'s' if len(found) > 1 else ''}"
        verdict = _judge(met, _values(samples, ratio.name, "load") + _values(samples, ratio.over, "load"))
        yield f"| {ratio.what} | {middle:.2f} | {spread} | {processor} | {_aim(ratio)} | {verdict} |"


def _aim(ratio: Ratio) -> str:
    return f"at {'least' if ratio.at_least else 'most'} {ratio.aim:g}"


def _judge(met: bool, loads: list[float]) -> str:
    """Returns the verdict, and the load where other work makes it doubtful."""
    busy = f" at a load of {median(loads):.0f}" if median(loads) > QUIET else ""
    return f"{'met' if met else 'missed'}{busy}"


def _list_bounds(samples: list[dict[str, object]]) -> Iterator[str]:
    for name, bound in BOUNDS.items():
        walls, cpus = _values(samples, name, "wall"), _values(samples, name, "cpu")
        if not walls:
            yield f"| {name} | not measured | | | at most {bound:g} s | |"
            continue
        verdict = _judge(median(walls) <= bound, _values(samples, name, "load"))
        spread = f"{min(walls):.2f} to {max(walls):.2f} s"
        yield f"| {name} | {median(walls):.2f} s | {spread} | {median(cpus):.2f} | at most {bound:g} s | {verdict} |"


def _describe(name: str, samples: list[dict[str, object]]) -> str:
    walls, cpus, memory, loads = (_values(samples, name, field) for field in ("wall", "cpu", "memory", "load"))
    spread = f"{min(walls):.2f} to {max(walls):.2f}"
    return (
        f"| {name} | {median(walls):.2f} | {spread} | {median(cpus):.2f} | {median(memory):.0f} MB "
        f"| {min(loads):.1f} to {max(loads):.1f} | {len(walls)} | {samples[-1]['date']} |"
    )
