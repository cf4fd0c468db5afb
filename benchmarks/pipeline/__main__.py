"""`python -m benchmarks.pipeline [--repetitions N] [--large N]`: writes benchmarks/RESULTS.md."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import describe_machine
from pipeline.inputs import resolve

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


def measure(command: list[str], log: Path) -> float:
    """Returns the seconds from the start of the process to its end."""
    with log.open("a") as file:
        began = time.monotonic()
        subprocess.run(command, stdout=file, stderr=file, check=True)
        return time.monotonic() - began


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
    return [sys.executable, "-m", "pipeline.cli", "run", "configs/taxi.yaml", *settings]


def stock(data: Path, out: Path, times: int) -> list[str]:
    return [
        sys.executable, "-m", "benchmarks.pipeline.stock", str(data), str(out), str(STEPS[times]), str(EPOCHS), SCHEMA,
    ]  # fmt: skip


def compare(work: Path, times: int, repetitions: int) -> dict[str, list[float]]:
    """Runs both in turn, each into an empty folder; the last of ours is run again, all cached."""
    data = make_data(work / f"data-{times}", times)
    seconds: dict[str, list[float]] = {"ours": [], "stock": [], "ours, all cached": []}
    for index in range(repetitions):
        for name in ("ours", "stock"):
            out = work / f"{name}-{times}-{index}"
            command = ours(data, out) if name == "ours" else stock(data, out, times)
            seconds[name].append(measure(command, work / f"{name}.log"))
            print(f"{times} × 15,002 rows, {name}: {seconds[name][-1]:.1f} s", flush=True)
            if name == "ours" and times == 1:
                measure(command, work / "cached.log")  # the Evaluator now has a baseline to compare with
                seconds["ours, all cached"].append(measure(command, work / "cached.log"))
                print(f"all cached: {seconds['ours, all cached'][-1]:.1f} s", flush=True)
            shutil.rmtree(out)
    return {name: values for name, values in seconds.items() if values}


def measure_help(repetitions: int) -> dict[str, list[float]]:
    """Times the start of the command line."""
    found: dict[str, list[float]] = {"hilir --help": [], "hilir config check": []}
    program = str(Path(sys.executable).parent / "hilir")
    for _ in range(repetitions):
        for name in found:
            found[name].append(measure([program, *name.split()[1:]], Path(os.devnull)))
    return found


def rows_of(label: str, seconds: dict[str, list[float]]) -> list[str]:
    lines = []
    for name, values in seconds.items():
        spread = f"{min(values):.2f} to {max(values):.2f}"
        lines.append(f"| {label}{name} | {statistics.median(values):.2f} s | {spread} | {len(values)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--large", type=int, default=1, help="repetitions with 300,040 rows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        start = measure_help(20)
        small = compare(work, 1, arguments.repetitions)
        large = compare(work, 20, arguments.large) if arguments.large else {}
    pairs = [ours / stock for ours, stock in zip(small["ours"], small["stock"], strict=True)]
    lines = [
        "# The pipeline against the stock one",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `make bench` on: {describe_machine()}.",
        "",
        "Whole processes, start to end, the two in turn. Stock: CsvExampleGen, `module_file`, DirectRunner in memory, default",
        "settings (benchmarks/pipeline/stock.py). The same rows, steps, network, slices and metrics on both sides.",
        "",
        "| what | median | spread | runs |",
        "| --- | --- | --- | --- |",
        *rows_of("15,002 rows: ", small),
        *rows_of("300,040 rows: ", large),
        *rows_of("", start),
        "",
        f"Ours / stock on 15,002 rows, pair by pair: median {statistics.median(pairs):.2f}, "
        f"{min(pairs):.2f} to {max(pairs):.2f} (target: at most 0.55).",
    ]
    if large:
        ratio = statistics.median(large["ours"]) / statistics.median(large["stock"])
        lines.append(f"Ours / stock on 300,040 rows: {ratio:.2f}.")
    lines.append("All cached: target at most 12 s. `hilir --help`: target at most 0.3 s.")
    RESULTS.write_text("\n".join(lines) + "\n")
    print(json.dumps({"ratio": statistics.median(pairs)}))


if __name__ == "__main__":
    main()
