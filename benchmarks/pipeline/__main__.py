"""`python -m benchmarks.pipeline [CASE …] [--repetitions N] [--work FOLDER]`: writes benchmarks/RESULTS.md."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.pipeline.processes import Cost, hilir, make_rows, measure, ours, stock
from benchmarks.pipeline.results import add_sample, remove_samples, write_page
from benchmarks.pipeline.wide.features import COLUMNS, LABEL, ROWS

Case = Callable[[Path, int], None]


def compare_small(work: Path, repetitions: int) -> None:
    """Takes pairs of whole runs of 15,002 rows."""
    _compare_runs(work, 1, "15,002 rows", repetitions)


def compare_large(work: Path, repetitions: int) -> None:
    """Takes pairs of whole runs of 300,040 rows."""
    _compare_runs(work, 20, "300,040 rows", repetitions)


def compare_engines(work: Path, repetitions: int) -> None:
    """Takes whole runs of both sizes with forked workers, and in one process."""
    for times, name in ((1, "15,002 rows"), (20, "300,040 rows")):
        data = make_rows(work / f"data-{times}", times)
        for index in range(repetitions):
            for engine in ("local", "multiprocess"):
                out = work / f"{engine}-{times}-{index}"
                command = ours(data, out, f"beam.runner={engine}", "beam.workers=2")
                add_sample(f"engine {engine}: {name}", measure(command, work / "engines.log"))
                shutil.rmtree(out)


def _compare_runs(work: Path, times: int, name: str, repetitions: int) -> None:
    data = make_rows(work / f"data-{times}", times)
    for index in range(repetitions):
        for side in ("ours", "stock"):
            out = work / f"{side}-{times}-{index}"
            command = ours(data, out) if side == "ours" else stock(data, out, times)
            add_sample(f"{name}: {side}", measure(command, work / f"{side}.log"))
            shutil.rmtree(out)


def measure_cached(work: Path, repetitions: int) -> None:
    """Runs again what is all cached."""
    command = ours(make_rows(work / "data-1", 1), work / "cached")
    # The second run's Evaluator has a baseline to compare with.
    for _ in range(2):
        measure(command, work / "cached.log")
    for _ in range(repetitions):
        add_sample("all cached, 15,002 rows", measure(command, work / "cached.log"))
    shutil.rmtree(work / "cached")


def measure_help(_: Path, repetitions: int) -> None:
    """Times the start of the command line."""
    program = str(Path(sys.executable).parent / "hilir")
    for _ in range(4 * repetitions):
        for name in ("hilir --help", "hilir config check configs/taxi.yaml"):
            add_sample(name, measure([program, *name.split()[1:]], Path(os.devnull)))


def compare_csv(work: Path, repetitions: int) -> None:
    """Reads 300,040 rows of CSV: one process, two, and TFX's CsvExampleGen."""
    _compare_ingest(work, "csv", make_rows(work / "data-20", 20), ("ours", "multiprocess", "stock"), repetitions)


def compare_parquet(work: Path, repetitions: int) -> None:
    """Reads the same rows from Parquet: one process, and TFX's executor."""
    import pyarrow.csv
    import pyarrow.parquet

    folder = work / "parquet"
    if not folder.exists():
        folder.mkdir()
        table = pyarrow.csv.read_csv(make_rows(work / "data-20", 20) / "data.csv")
        pyarrow.parquet.write_table(table, folder / "data.parquet", row_group_size=50_000)
    _compare_ingest(work, "parquet", folder, ("ours", "stock"), repetitions)


def _compare_ingest(work: Path, form: str, data: Path, sides: Sequence[str], repetitions: int) -> None:
    name = {"csv": "CSV", "parquet": "Parquet"}[form]
    for _ in range(repetitions):
        for side in sides:
            out = work / f"ingest-{form}-{side}"
            command = [sys.executable, "-m", "benchmarks.pipeline.ingest", side, form, str(data), str(out)]
            add_sample(f"ingest of {name}: {side}", _read_cost(command, work / "ingest.log"))
            shutil.rmtree(out)


def compare_evaluators(work: Path, repetitions: int) -> None:
    """Runs our Evaluator and TFX's on the same 100,000 rows and two models."""
    folder = work / "evaluator"
    command = [sys.executable, "-m", "benchmarks.pipeline.evaluator"]
    if not folder.exists():
        folder.mkdir()
        # It makes rows and models.
        _read_cost([*command, "ours", "100000", str(folder)], work / "evaluator.log")
    for _ in range(repetitions):
        for side in ("ours", "stock"):
            cost = _read_cost([*command, side, "100000", str(folder)], work / "evaluator.log")
            add_sample(f"Evaluator: {side}", cost)


def measure_columns(work: Path, repetitions: int) -> None:
    """Runs a table of 3,000 columns, of which two are read."""
    folder = work / "columns"
    if not folder.exists():
        folder.mkdir()
        draw = random.Random(1)
        names = [f"c{number}" for number in range(COLUMNS - 1)]
        rows = [[f"{draw.random():.6f}" for _ in names] for _ in range(ROWS)]
        lines = [",".join([*row, str(index % 2)]) for index, row in enumerate(rows)]
        (folder / "data.csv").write_text("\n".join([",".join([*names, LABEL]), *lines]) + "\n")
    for index in range(repetitions):
        out = work / f"columns-{index}"
        cost = measure(hilir("benchmarks/pipeline/wide/wide.yaml", folder, out), work / "columns.log")
        add_sample("3,000 columns of which 2 are read, 80 rows", cost)
        shutil.rmtree(out)


def compare_sizes(work: Path, repetitions: int) -> None:
    """Runs ingest, statistics, transform and evaluation of 300,040 and of 3,000,400 rows, each step by itself."""
    for _ in range(repetitions):
        for step in ("ExampleGen", "StatisticsGen", "Transform", "Evaluator"):
            for times, name in ((20, "300,040 rows"), (200, "3,000,400 rows")):
                data = make_rows(work / f"data-{times}", times)
                # As many steps of training for both.
                run = ours(data, work / f"sizes-{times}", "train.steps_per_epoch=50", "train.epochs=1")
                command = [sys.executable, "-m", "benchmarks.pipeline.steps", step, *run[3:]]
                add_sample(f"{step}, {name}", _read_cost(command, work / "sizes.log"))


def _read_cost(command: list[str], log: Path) -> Cost:
    """Runs what prints its cost on its last line."""
    with log.open("a") as file:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=file, text=True, check=True)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


# By case: the function, how often, and what its samples are called.
CASES: dict[str, tuple[Case, int, tuple[str, ...]]] = {
    "help": (measure_help, 5, ("hilir ",)),
    "small": (compare_small, 5, ("15,002 rows: ours", "15,002 rows: stock")),
    "cached": (measure_cached, 5, ("all cached, 15,002 rows",)),
    "csv": (compare_csv, 3, ("ingest of CSV",)),
    "parquet": (compare_parquet, 3, ("ingest of Parquet",)),
    "evaluator": (compare_evaluators, 3, ("Evaluator: ",)),
    "columns": (measure_columns, 3, ("3,000 columns",)),
    "engines": (compare_engines, 3, ("engine ",)),
    "large": (compare_large, 3, ("300,040 rows: ",)),
    "sizes": (compare_sizes, 1, ("ExampleGen,", "StatisticsGen,", "Transform,", "Evaluator,")),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"some of: {', '.join(CASES)}; none: all")
    parser.add_argument("--repetitions", type=int, help="in place of each case's own number")
    parser.add_argument("--work", type=Path, help="folder for data, kept for the next call; none: a temporary one")
    parser.add_argument("--add", action="store_true", help="keep the samples that are there, and add to them")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        for name in arguments.cases or CASES:
            case, repetitions, samples = CASES[name]
            if not arguments.add:
                remove_samples(samples)
            case(work, arguments.repetitions or repetitions)
    write_page()


if __name__ == "__main__":
    main()
