"""`python -m benchmarks.pipeline [--repetitions N] [--large N]`: writes benchmarks/RESULTS.md."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import describe_machine
from hilir.pipeline.config.data_path import resolve

ROWS = Path(resolve("package:tfx/examples/chicago_taxi_pipeline/data/simple/data.csv"))
SCHEMA = "configs/schemas/taxi.pbtxt"
EPOCHS = 5
STEPS = {1: 200, 20: 3920}
RESULTS = Path("benchmarks/RESULTS.md")


def make_data(folder: Path, times: int) -> Path:
    """Writes the taxi rows, repeated, to a folder of their own."""
    header, *rows = ROWS.read_text().splitlines(keepends=True)
    folder.mkdir(parents=True)
    with (folder / "data.csv").open("w") as file:
        file.write(header)
        for _ in range(times):
            file.writelines(rows)
    return folder


@dataclass(frozen=True)
class Cost:
    """What one process cost: seconds from its start to its end, and processor seconds, its children's too."""

    wall: float
    cpu: float


def measure(command: list[str], log: Path) -> Cost:
    """Runs the command to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with log.open("a") as file:
        began = time.monotonic()
        subprocess.run(command, stdout=file, stderr=file, check=True)
        wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def ours(data: Path, out: Path) -> list[str]:
    sets = {
        "data.path": data,
        "pipeline.root": out / "pipelines",
        "pipeline.runs": out / "runs",
        "serving.root": out / "models",
        "train.early_stopping": "null",
        "evaluate.slices": "{hour: {features: [trip_start_hour]}, day: {features: [trip_start_day]}}",
        "evaluate.thresholds": "[{metric: auc, min: 0.75}]",
        "train.epochs": EPOCHS,
    }
    settings = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "hilir.pipeline.cli", "run", "configs/taxi.yaml", *settings]


def stock(data: Path, out: Path, times: int) -> list[str]:
    return [
        sys.executable, "-m", "benchmarks.pipeline.stock", str(data), str(out), str(STEPS[times]), str(EPOCHS), SCHEMA,
    ]  # fmt: skip


def compare(work: Path, times: int, repetitions: int) -> dict[str, list[Cost]]:
    """Runs both in turn, each into an empty folder; the last of ours is run again, all cached."""
    data = make_data(work / f"data-{times}", times)
    seconds: dict[str, list[Cost]] = {"ours": [], "stock": [], "ours, all cached": []}
    for index in range(repetitions):
        for name in ("ours", "stock"):
            out = work / f"{name}-{times}-{index}"
            command = ours(data, out) if name == "ours" else stock(data, out, times)
            seconds[name].append(measure(command, work / f"{name}.log"))
            print(f"{times} × 15,002 rows, {name}: {seconds[name][-1].wall:.1f} s", flush=True)
            if name == "ours" and times == 1:
                measure(command, work / "cached.log")  # the Evaluator now has a baseline to compare with
                seconds["ours, all cached"].append(measure(command, work / "cached.log"))
                print(f"all cached: {seconds['ours, all cached'][-1].wall:.1f} s", flush=True)
            shutil.rmtree(out)
    return {name: values for name, values in seconds.items() if values}


def compare_evaluators(work: Path, rows: int, repetitions: int) -> dict[str, list[Cost]]:
    """Runs our Evaluator and TFX's in turn on the same rows and models."""
    folder = work / "evaluator"
    folder.mkdir()
    seconds: dict[str, list[Cost]] = {"ours": [], "stock": []}
    for index in range(repetitions + 1):
        for name, costs in seconds.items():
            command = [sys.executable, "-m", "benchmarks.pipeline.evaluator", name, str(rows), str(folder)]
            if index == 0 and name == "stock":
                continue
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            # The first run makes the rows and models.
            if index:
                costs.append(Cost(**json.loads(done.stdout.splitlines()[-1])))
                print(f"Evaluator, {rows:,} rows, {name}: {costs[-1].wall:.1f} s", flush=True)
    return seconds


def measure_help(repetitions: int) -> dict[str, list[Cost]]:
    """Times the start of the command line."""
    found: dict[str, list[Cost]] = {"hilir --help": [], "hilir config check": []}
    program = str(Path(sys.executable).parent / "hilir")
    for _ in range(repetitions):
        for name in found:
            found[name].append(measure([program, *name.split()[1:]], Path(os.devnull)))
    return found


def rows_of(label: str, seconds: dict[str, list[Cost]]) -> list[str]:
    lines = []
    for name, values in seconds.items():
        walls = [value.wall for value in values]
        spread = f"{min(walls):.2f} to {max(walls):.2f}"
        cpu = statistics.median(value.cpu for value in values)
        lines.append(f"| {label}{name} | {statistics.median(walls):.2f} s | {spread} | {cpu:.2f} s | {len(values)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--large", type=int, default=1, help="repetitions with 300,040 rows")
    parser.add_argument("--evaluator", type=int, default=3, help="repetitions of the Evaluator alone, 100,000 rows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        start = measure_help(20)
        small = compare(work, 1, arguments.repetitions)
        large = compare(work, 20, arguments.large) if arguments.large else {}
        alone = compare_evaluators(work, 100_000, arguments.evaluator) if arguments.evaluator else {}
    pairs = list(zip(small["ours"], small["stock"], strict=True))
    walls, cpus = [our.wall / their.wall for our, their in pairs], [our.cpu / their.cpu for our, their in pairs]
    lines = [
        "# The pipeline against the stock one",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `make bench` on: {describe_machine()}.",
        "",
        "Whole processes, start to end, the two in turn. Stock: CsvExampleGen, `module_file`, DirectRunner in memory,",
        "default settings (benchmarks/pipeline/stock.py). The same rows, steps, network, slices and metrics on both",
        "sides. Processor seconds (user and system) are told too: other work on the machine disturbs them less.",
        "",
        "| what | median | spread | processor | runs |",
        "| --- | --- | --- | --- | --- |",
        *rows_of("15,002 rows: ", small),
        *rows_of("300,040 rows: ", large),
        *rows_of("Evaluator alone, 100,000 rows, 26 slices, two models: ", alone),
        *rows_of("", start),
        "",
        f"Ours / stock on 15,002 rows, pair by pair: median {statistics.median(walls):.2f}, "
        f"{min(walls):.2f} to {max(walls):.2f} (target: at most 0.40); "
        f"in processor seconds {statistics.median(cpus):.2f}, {min(cpus):.2f} to {max(cpus):.2f}.",
    ]
    if large:
        ratio = min(cost.wall for cost in large["ours"]) / min(cost.wall for cost in large["stock"])
        lines.append(f"Ours / stock on 300,040 rows: {ratio:.2f}.")
    if alone:
        ratios = [our.wall / their.wall for our, their in zip(alone["ours"], alone["stock"], strict=True)]
        lines.append(f"Evaluator, ours / stock: median {statistics.median(ratios):.2f} (target: at most 0.25).")
    lines.append("All cached: target at most 4 s. `hilir --help`: target at most 0.15 s.")
    others = "train", "serve", "release", "export"
    lines += ["", "Other figures: " + ", ".join(f"[{name}]({name}/RESULTS.md)" for name in others) + "."]
    RESULTS.write_text("\n".join(lines) + "\n")
    print(json.dumps({"ratio": statistics.median(walls)}))


if __name__ == "__main__":
    main()
