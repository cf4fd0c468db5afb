"""The report of a real run in Debian's Chromium."""

from __future__ import annotations

import json

import pytest

from tests.browser.pages import check_page


@pytest.fixture(scope="module")
def report(taxi_run):
    """The page of the taxi run."""
    place, result = taxi_run
    return place.root / "runs" / result["run_id"] / "report.html"


def test_it_is_for_everybody_and_asks_nobody(visit, report):
    check_page(visit, report.as_uri())
    assert report.stat().st_size < 1_000_000


def test_its_values_are_those_of_the_artifacts(visit, report, taxi_run):
    from hilir.components.evaluator.results import read_metrics

    place, result = taxi_run
    (evaluation,) = (place.root / "pipelines" / "taxi" / "Evaluator" / "evaluation").iterdir()
    expected = read_metrics(str(evaluation))
    page = visit(report.as_uri()).page
    cells = page.eval_on_selector_all(
        "td[data-slice]", "cells => cells.map(c => [c.dataset.slice, c.dataset.metric, c.firstElementChild.value])"
    )
    found: dict[str, dict[str, float]] = {}
    for part, name, value in cells:
        found.setdefault(part, {})[name] = float(value)
    assert found == expected
    assert found["overall"] == result["metrics"]
    assert page.locator("#was-pushed + p").inner_text() == f"Version {result['version']}"
    rows = page.locator("main > p data").evaluate_all("each => each.map(one => Number(one.value))")
    assert rows[:2] == [9983, 5019] or sum(rows[:2]) == 15_002


def test_the_first_screen_has_the_four_answers(visit, report):
    page = visit(report.as_uri(), viewport={"width": 1440, "height": 900}).page
    answers = page.locator(".answer h2")
    assert answers.all_inner_texts() == [
        "Is it good?",
        "Is it better than before?",
        "Where is it weak?",
        "What was pushed?",
    ]
    assert all(box.bounding_box()["y"] < 900 for box in answers.all())


def test_it_prints(visit, report):
    page = visit(report.as_uri()).page
    page.emulate_media(media="print")
    assert page.locator("nav.pages").is_hidden()
    assert page.pdf().startswith(b"%PDF")


def test_the_keyboard_reaches_the_parts(visit, report):
    page = visit(report.as_uri()).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")


def test_the_run_wrote_down_its_progress(report):
    lines = [json.loads(line) for line in (report.parent / "progress.jsonl").read_text().splitlines()]
    assert lines[0]["event"] == "start"
    assert lines[-1]["event"] == "end"
    assert lines[-1]["status"] == "succeeded"
