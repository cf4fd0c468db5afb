from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from hilir.analysis.plot import (
    STYLE,
    Bound,
    Interval,
    Node,
    Series,
    bar_chart,
    draw_graph,
    histogram,
    interval_chart,
    line_chart,
    matrix_chart,
    simplify,
    sparkline,
)
from hilir.analysis.plot.scale import linear, logarithmic, show

SVG = "{http://www.w3.org/2000/svg}"
CURVE = Series("train", [(1, 0.9), (2, 0.5), (3, 0.4)])
CHARTS = {
    "lines": line_chart("Loss", [CURVE, Series("eval", [(1, 1.0), (2, 0.6), (3, 0.55)])], x_label="epoch"),
    "one": line_chart("One", [Series("a", [(1, 5.0)])]),
    "band": line_chart("D", [Series("d", [(0, 0.1), (1, 0.2)], [(-0.1, 0.3), (0.0, 0.4)])], bounds=[Bound("none", 0)]),
    "log": line_chart("Log", [Series("a", [(1, 0.001), (2, 10.0), (3, 0.0)])], log_y=True),
    "empty": line_chart("Nothing", [Series("a", [])]),
    "nan": line_chart("Gap", [Series("a", [(0, 1.0), (1, math.nan), (2, 3.0), (3, 2.0)])]),
    "bars": bar_chart("Islands", [("Biscoe", 168), ("Dream & <co>", 124), ("x" * 80, 0)]),
    "histogram": histogram("Fare", [0, 1, 2, 5], [("train", [1, 2, 3]), ("window", [3, 0, 0])]),
    "intervals": interval_chart("auc", [Interval("all", 0.95, 0.94, 0.96, 0.9, 0.93), Interval("h 3", 0.7, 0.5, 0.9)]),
    "matrix": matrix_chart("Confusion", ["a", "b"], [[8, 2], [0, 5]]),
    "spark": sparkline("js", [0.1, 0.2, math.nan, 0.15]),
    "graph": draw_graph(
        "Run",
        [Node("A", "1 s", "done"), Node("B", "", "cached"), Node("C", "x", "failed")],
        [("A", "B"), ("A", "C"), ("B", "C")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_xml_with_a_name_and_stays_in_its_frame(name):
    root = ElementTree.fromstring(CHARTS[name])
    assert root.get("role") == "img"
    assert root.find("title").text in root.get("aria-label")
    _, _, width, height = map(float, root.get("viewBox").split())
    for mark in root.iter():
        for key, most in (("x", width), ("cx", width), ("x1", width), ("x2", width), ("y", height), ("cy", height)):
            if mark.get(key) is not None:
                assert -0.5 <= float(mark.get(key)) <= most + 0.5, (mark.tag, key, mark.get(key))
    assert "nan" not in CHARTS[name].lower().replace("nanumber", "")
    assert not re.search(r'\bid="|https?://|style="', CHARTS[name])


def test_a_chart_is_small_and_the_same_each_time():
    curve = [(float(x), math.sin(x)) for x in range(50)]
    charts = [line_chart("Loss", [Series("train", curve), Series("eval", curve)], x_label="epoch") for _ in range(2)]
    assert charts[0] == charts[1]
    assert len(charts[0]) < 4000


def test_the_place_of_a_value():
    scale = linear([0.0, 10.0], (100, 200))
    assert [scale(value) for value in (0, 5, 10, 11, -1)] == [100, 150, 200, 200, 100]
    log = logarithmic([0.01, 100.0], (0, 40))
    assert [log(value) for value in (0.01, 1, 100, 0)] == pytest.approx([0, 20, 40, 0])


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0, 1], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([0.03, 0.28], (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)),
        ([12, 97], (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)),
        ([5, 5], (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)),
        ([], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([-3e6, 5e6], (-4e6, -2e6, 0.0, 2e6, 4e6, 6e6)),
    ],
)
def test_ticks_are_those_of_a_person(values, ticks):
    assert linear(values, (0, 1)).ticks == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("epochs", "ticks"),
    [(1, (0, 1, 2)), (2, (1, 2)), (5, (1, 2, 3, 4, 5)), (12, (0, 5, 10, 15)), (200, (0, 50, 100, 150, 200))],
)
def test_no_place_between_two_epochs_is_marked(epochs, ticks):
    assert linear(range(1, epochs + 1), (0, 1), whole=True).ticks == ticks


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (0.9504, "0.9504"),
        (12345, "12,345"),
        (1e6, "1e6"),
        (0.00012, "0.00012"),
        (2.5, "2.5"),
        (1 / 3, "0.3333"),
    ],
)
def test_numbers_are_short(value, written):
    assert show(value) == written


def test_a_gap_interrupts_the_curve():
    assert CHARTS["nan"].count("<circle") == 1
    assert CHARTS["nan"].count("<polyline") == 1


def test_names_are_escaped_and_long_ones_cut():
    assert "Dream &amp; &lt;co&gt;" in CHARTS["bars"]
    assert f">{'x' * 20}…<" in CHARTS["bars"]


def test_a_curve_is_simplified_where_it_is_straight():
    points = [(x / 1000, min(x / 100, 1.0)) for x in range(1001)]
    few = simplify(points, 10)
    assert few == [(0.0, 0.0), (0.1, 1.0), (1.0, 1.0)]
    assert simplify(points[:5], 10) == points[:5]
    noisy = [(x, math.sin(x / 20)) for x in range(2000)]
    assert len(simplify(noisy, 200)) == 200


def test_the_graph_goes_from_left_to_right_and_refuses_a_cycle():
    root = ElementTree.fromstring(CHARTS["graph"])
    places = [float(box.get("x")) for box in root.iter("rect")]
    assert places == sorted(places)
    assert len(set(places)) == 3
    with pytest.raises(ValueError, match="cycle through A, B"):
        draw_graph("x", [Node("A"), Node("B")], [("A", "B"), ("B", "A")])


def test_the_style_has_every_class_that_charts_use():
    used = {
        name
        for chart in CHARTS.values()
        for classes in re.findall(r'class="([^"]+)"', chart)
        for name in classes.split()
    }
    assert {name for name in used if f".{name}" not in STYLE} == set()
