"""The page of a run: what it answers, and that it is safe whatever the data is called."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from hilir.pipeline.report.compare_runs import compare
from hilir.pipeline.report.document import Document
from hilir.pipeline.report.page import render_comparison, render_report
from hilir.pipeline.report.page.metric_intervals import find_intervals
from hilir.pipeline.report.page.page_text import change, clean, duration, size
from hilir.pipeline.report.page.page_text import show as show_value


class Page(HTMLParser):
    """Collects ids, references, and the values of cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self.cells: dict[tuple[str, str], str] = {}
        self.cell: tuple[str, str] | None = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.references += [found[name] for name in ("href", "src", "action") if name in found]
        if "data-slice" in found:
            self.cell = (found["data-slice"], found["data-metric"])
        elif tag == "data" and self.cell:
            self.cells[self.cell] = found["value"]
            self.cell = None


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<(style|svg).*?</\1>", "", html, flags=re.S)).split())


def test_the_first_screen_answers_the_four_questions(document: Document) -> None:
    text = text_of(render_report(replace(document, status="not_blessed", reasons=["auc over overall is 0.7"])))
    assert "Is it good? No: not blessed ✗ auc over all rows is 0.7" in text
    assert "Is it better than before? Better in 1 of 2 metrics" in text
    assert "Where is it weak? hour=10 hour=10: auc 0.65 (100 rows) hour=9: auc 0.85 (150 rows)" in text
    assert "What was pushed? Version 7 folder out/models/taxi/7 size 493 kB" in text


def test_an_export_that_was_skipped_as_a_whole_says_why(document: Document) -> None:
    skipped = {"format": "tflite", "variants": {}, "failed": {"float32": "its output is text"}}
    text = text_of(render_report(replace(document, exports={"tflite": skipped})))
    assert "tflite Nothing was exported, so that nothing was compared" in text
    assert "float32 ✗ no its output is text" in text


def test_intervals_are_next_to_what_they_belong_to(document: Document) -> None:
    evaluate = {
        "metrics": [{"name": "accuracy", "class": "BinaryAccuracy"}, {"name": "rows", "class": "ExampleCount"}],
        "thresholds": [{"metric": "accuracy", "min": 0.85}],
    }
    metrics = {"overall": {"accuracy": 0.9, "rows": 100.0}, "hour=9": {"accuracy": 0.8, "rows": 40.0}}
    found = replace(document, evaluate=evaluate, evaluation=document.evaluation | {"metrics": metrics})
    text = text_of(render_report(found))
    assert "hour=9: accuracy 0.8 (40 rows, 0.6524 to 0.895)" in text
    assert "on 100 rows the true accuracy is somewhere from 0.8256 to 0.9448 (95 %)" in text
    assert "all rows 0.9 0.8256 to 0.9448 100" in text
    assert "metrics accuracy 0.9 (0.8256 to 0.9448, 95 %)" in text
    weighted = replace(found, evaluation=found.evaluation | {"weighted": True})
    assert "95 %" not in text_of(render_report(weighted))


def test_the_interval_of_an_auc_needs_the_number_of_positives(document: Document) -> None:
    assert find_intervals(document) == {("overall", "auc"): pytest.approx((0.8398, 0.9602), abs=1e-4)}
    assert find_intervals(replace(document, evaluation=document.evaluation | {"plots": {}})) == {}
    several = {"bought": document.evaluation["plots"][""], "spent": {}}
    of_several = replace(document, evaluation=document.evaluation | {"plots": several})
    assert find_intervals(of_several) == {}
    named = replace(of_several, evaluate={**document.evaluate, "output": "bought"})
    assert find_intervals(named) == find_intervals(document)


def test_plots_of_a_slice_are_there_if_asked_for(document: Document) -> None:
    plots = document.evaluation["plots"]
    asked = replace(document, evaluation=document.evaluation | {"slice_plots": {"hour=9": plots}})
    text = text_of(render_report(asked))
    assert "Scores, over all rows" in text
    assert "Scores, hour=9" in text
    assert "hilir report taxi-20260101" not in text
    assert f'hilir report {document.run_id} --slice "hour=9"' in text.replace("&#34;", '"')


def test_values_are_those_of_the_evaluation(document: Document) -> None:
    cells = Page(render_report(document)).cells
    expected = {(part, name): value for part, values in document.metrics.items() for name, value in values.items()}
    assert {key: float(value) for key, value in cells.items()} == expected


@pytest.mark.parametrize("which", ["document", "failed"])
def test_nothing_of_the_data_becomes_markup_and_nothing_is_asked_from_elsewhere(which: str, request) -> None:
    html = render_report(request.getfixturevalue(which))
    page = Page(html)
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "\x1b" not in html
    assert len(page.ids) == len(set(page.ids))
    assert all(reference.startswith("#") and reference[1:] in page.ids for reference in page.references)
    assert not re.search(r"(https?:)?//(?!www\.w3\.org/2000/svg)[a-z]", re.sub(r"data:\w", "", html))


@pytest.mark.parametrize(("classes", "shown"), [((), ("no", "yes")), (("cat", "d<og"), ("cat", "d&lt;og"))])
def test_the_confusion_at_a_threshold_names_the_classes(document: Document, classes, shown) -> None:
    page = render_report(replace(document, classes=classes))
    chart = page[page.index("Confusion at the threshold 0.5") :].partition("</svg>")[0]
    assert re.findall(r">([^<>]+)</text>", chart)[2:4] == list(shown)


def test_a_failed_run_has_a_report_with_its_error_and_its_data(failed: Document) -> None:
    text = text_of(render_report(failed))
    assert "The run did not finish Trainer: ValueError: &lt;oops&gt;" in text
    assert "300 rows in train" in text
    assert "Model card" not in text


def test_a_run_that_has_just_started_has_a_report() -> None:
    html = render_report(Document("taxi-1", "taxi"))
    assert "Not known yet" in html


def test_the_page_does_not_depend_on_when_it_is_made(document: Document) -> None:
    assert render_report(document) == render_report(document)


def test_the_difference_is_a_page(document: Document) -> None:
    other = replace(document, config=[["train.epochs", 5, "<i>taxi.yaml"]], run_id="taxi-2<i>")
    html = render_comparison(compare(document, other))
    assert "<i>" not in html
    assert "train.epochs" in html


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (True, "yes"), (12345, "12,345"), (5019.0, "5,019"), (0.94938, "0.9494"), ("a\x00‮", "a\\x00\\u202e")],
)
def test_values_as_text(value: object, shown: str) -> None:
    assert show_value(value) == shown


def test_text_is_cut_and_cleaned() -> None:
    assert clean("x" * 3000) == "x" * 2000 + "…"
    assert clean("two\nlines") == "two\nlines"
    assert [size(999), size(1500), size(493_000), size(2.5e9)] == ["999 bytes", "1.5 kB", "493 kB", "2.5 GB"]
    assert [duration(1.04), duration(75.4), duration(3700)] == ["1.0 s", "1 min 15 s", "1 h 01 min"]
    assert [change(0.9506, 0.9494), change(0.5, 0.5), change(0.1, 0.3)] == ["+0.0012", "±0", "−0.2"]


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ({"auc": 0.8, "loss": 0.3}, "Better in every metric"),
        ({"auc": 0.95, "loss": 0.2}, "Worse in every metric"),
        ({"auc": 0.9, "loss": 0.2}, "Worse in 1 of 2 metrics , else the same"),
        ({"auc": 0.9, "loss": 0.3}, "Better in 1 of 2 metrics, else the same"),
        ({"auc": 0.8, "loss": 0.2}, "Better in 1 of 2 metrics Compared"),
        ({"auc": 0.9, "loss": 0.25}, "No difference"),
    ],
)
def test_how_it_compares_with_before(document: Document, before: dict[str, float], words: str) -> None:
    compared = replace(document, evaluation=document.evaluation | {"baseline": {"overall": before}})
    assert f"Is it better than before? {words}" in text_of(render_report(compared))


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ({"auc": 0.86, "loss": 0.25}, True),
        # Outside of the interval; and a loss, which has none.
        ({"auc": 0.8, "loss": 0.25}, False),
        ({"auc": 0.86, "loss": 0.3}, False),
        ({"auc": 0.9, "loss": 0.25}, False),
    ],
)
def test_a_change_that_chance_may_explain_is_said_to_be_one(
    document: Document, before: dict[str, float], said: bool
) -> None:
    compared = replace(document, evaluation=document.evaluation | {"baseline": {"overall": before}})
    words = "the true auc is somewhere from 0.8398 to 0.9602 (95 %), and the one before is in between."
    text = text_of(render_report(compared))
    assert (re.search(f"Chance may explain it: (on .* rows )?{re.escape(words)}", text) is not None) == said


def test_what_a_run_has_not_reached_is_not_known(document: Document) -> None:
    started = replace(document, status="running", evaluation={}, pushed={}, statistics={}, curves={})
    text = text_of(render_report(started))
    assert "Is it good? Not known yet Is it better than before? Not known yet Where is it weak? Not known yet" in text
    ended = replace(started, status="failed", reasons=["Trainer: no"])
    assert "Is it better than before? Not known Where is it weak? Not known What was pushed?" in text_of(
        render_report(ended)
    )
