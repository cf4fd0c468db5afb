"""What is drawn of columns: whole numbers in bins of their own, times as dates."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hilir.pipeline.report.page import charts
from hilir.pipeline.report.page.page_text import show, show_day, show_time

DAY = 86_400 * 10**6


def column(kind, values, buckets=10):
    counts, edges = np.histogram(values, buckets)
    histogram = {"edges": edges.tolist(), "counts": counts.tolist()}
    found = {"mean": 0.0, "min": float(min(values)), "max": float(max(values)), "histogram": histogram}
    return {"name": "n", "kind": kind, "splits": {"train": found}}


def bars(drawing):
    """Returns the height of each bar as a share of the highest."""
    heights = np.array([float(height) for height in re.findall(r'<rect [^>]*height="([\d.]+)"', drawing)])
    return heights / heights.max()


@pytest.mark.parametrize("values", [[0] * 6 + [1] * 2, [3] * 4 + [5] + [9] * 2, [-9] * 3 + [0]])
def test_each_of_few_whole_numbers_has_its_bar(values):
    counts = np.array([values.count(number) for number in range(min(values), max(values) + 1)])
    assert bars(str(charts.draw_feature(column("int", values)))) == pytest.approx(counts / counts.max(), abs=0.01)


def test_other_numbers_are_in_twenty_bins():
    assert len(bars(str(charts.draw_feature(column("float", [0.0, 0.0, 1.0]))))) == 20
    assert len(bars(str(charts.draw_feature(column("int", [0, 10]))))) == 20


@pytest.mark.parametrize(
    ("kind", "values", "form"),
    [
        ("int", [1_761_955_200_000_000, 1_761_955_200_000_000 + 30 * DAY], show_day),
        ("int", [1_761_955_200_000_000, 1_761_955_200_000_000 + 2 * DAY], show_time),
        ("float", [1.7619552e15, 1.77e15], show),
        ("int", [0, 1_761_955_200_000_000], show),
        ("int", [2 * 10**18, 3 * 10**18], show),
    ],
)
def test_whole_numbers_that_can_be_times_are_written_as_such(kind, values, form):
    assert charts.choose_form(column(kind, values)) is form
    if form is not show:
        drawing = str(charts.draw_feature(column(kind, values)))
        assert re.search(r">2025-1[01]-\d\d( \d\d:\d\d)?<", drawing)
    assert (show_day(1_761_955_200_000_000), show_time(1_761_955_260_000_000)) == ("2025-11-01", "2025-11-01 00:01")
