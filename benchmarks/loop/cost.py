"""What monitoring costs: `python -m benchmarks.loop.cost [--rows 20000] [--times 3]`.

`hilir monitor run --once` on a log of our server: 20 features, of which 15 are numbers, and a score; less what the same
command takes on a log of one request. Writes its section of benchmarks/loop/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.release.results import write_section
from hilir.analysis.quality import fit_quality
from hilir.analysis.reference import Reference, summarize_categories, summarize_numbers
from tests.integration.serving.server_process import ROOT
from tests.unit.serving.monitor.traffic import line, write_log, write_version

RESULTS = Path(__file__).with_name("RESULTS.md")
NUMBERS, CATEGORIES = 15, 5
BATCHES = (1, 10)


def draw(rng: np.random.Generator, rows: int) -> dict[str, list]:
    """Columns of features."""
    numbers = {f"number{place}": rng.normal(size=rows).round(4).tolist() for place in range(NUMBERS)}
    return numbers | {f"word{place}": rng.choice(list("abcdefgh"), rows).tolist() for place in range(CATEGORIES)}


def make_log(folder: Path, rows: int, batch: int) -> Path:
    """Writes a version, a log of so many rows and a configuration; returns that."""
    rng = np.random.default_rng(1)
    training = draw(rng, 5000)
    features = {
        name: summarize_categories(values, 5000, 0)
        if isinstance(values[0], str)
        else summarize_numbers(np.array(values))
        for name, values in training.items()
    }
    labels = rng.random(5000) < 0.5
    scores = np.where(labels, rng.beta(3, 1, 5000), rng.beta(1, 3, 5000))
    quality = fit_quality("p", "y", scores, labels)
    write_version(folder / "models", 1, Reference(features, {"p": summarize_numbers(scores)}, quality))
    columns, answers = draw(rng, rows), rng.choice(scores, rows)
    lines = [
        line(
            {name: values[at : at + batch] for name, values in columns.items()},
            {"p": [[float(each)] for each in answers[at : at + batch]]},
            number=at,
            at=1e9 + at,
        )
        for at in range(0, rows, batch)
    ]
    write_log(folder, lines)
    config = folder / "project.yaml"
    content = {"model": {"name": "m"}, "serving": {"root": str(folder / "models")}}
    monitor = {"log": str(folder / "log/requests"), "state": str(folder / "state"), "window_seconds": 0}
    config.write_text(json.dumps(content | {"monitor": monitor}))
    return config


def measure(rows: int, batch: int) -> float:
    """Processor seconds of the command."""
    with tempfile.TemporaryDirectory() as name:
        config = make_log(Path(name), rows, batch)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "hilir.pipeline.cli", "monitor", "run", str(config), "--once"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert rows < 1000 or done.stdout.count("no drift") + done.stdout.count("seen") == rows // 1000, done.stdout
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def main() -> None:
    """Measures, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    table = []
    for batch in BATCHES:
        costs = []
        for _ in range(given.times):
            costs.append((measure(given.rows, batch) - measure(batch, batch)) / given.rows * 1000)
            print(batch, costs[-1], flush=True)
        table.append(f"| {batch} | {statistics.median(costs):.3f} ({min(costs):.3f} to {max(costs):.3f}) s |")
    text = f"""`python -m benchmarks.loop.cost`, {describe_machine()},
load average {load:.1f} when it began.

Processor time of `hilir monitor run` for 1,000 logged rows: {NUMBERS} numbers, {CATEGORIES} categories and a score,
windows of 1,000 rows, our server's log of {given.rows:,} rows. Median (and spread) of {given.times}.

| rows in a request | for 1,000 rows |
| --- | --- |
{chr(10).join(table)}
"""
    write_section("Cost of monitoring", text, RESULTS)


if __name__ == "__main__":
    main()
