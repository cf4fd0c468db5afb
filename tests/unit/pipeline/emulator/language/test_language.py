"""The small languages inside a specification: conditions, filters, placeholders; and how logs and exits are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hilir.components.processes.process import describe_exit
from hilir.pipeline.emulator.artifact_store import Artifact
from hilir.pipeline.emulator.errors import StepError
from hilir.pipeline.emulator.language import cel, placeholders, query
from hilir.pipeline.emulator.log_figures import Follower, parse_figures
from hilir.pipeline.emulator.step_log import read_reason

GIVEN: dict[str, Any] = {
    "inputs": {
        "parameterValues": {"n": 5, "x": 0.5, "word": 'a "b"', "yes": True, "list": [1, "c"]},
        "artifacts": {
            "m": {"artifacts": [{"name": "p/1", "uri": "/u", "metadata": {"blessed": 1, "custom:span": "2"}}]}
        },
    },
    "outputs": {
        "outputFile": "/t/executor_output.json",
        "parameters": {"n": {"outputFile": "/t/n"}},
        "artifacts": {"o": {"artifacts": [{"name": "p/2", "uri": "/t/o", "metadata": {}}]}},
    },
}
M = "inputs.artifacts['m'].artifacts[0]"
N = "inputs.parameter_values['n']"


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        (f"({M}.metadata['blessed'] == 1.0)", True),
        (f"{M}.metadata['span'] == '2'", True),
        (f"({M}.uri == '/u')", True),
        (f"(({M}.uri + '/v') == '/u/v')", True),
        (f"!({N} == 5.0)", False),
        (f"({N} < 5.0) || ({N} > 4.0)", True),
        (f"({N} >= 5) && ({N} <= 4)", False),
        (f"int({N}) != 5", False),
        ("inputs.parameter_values['word'] == 'a \"b\"'", True),
        ("inputs.parameter_values['yes'] == true", True),
        ("inputs.parameter_values['yes']", True),
        (f"{N} == 6 || true && false", False),
        ("true || inputs.parameter_values['none'] == 1", True),
        ("string(inputs.parameter_values['x']) == '0.5'", True),
        ("-1 < 0", True),
    ],
)
def test_conditions(condition: str, value: bool) -> None:
    assert cel.holds(condition, GIVEN) is value


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "(",
        "1 ==",
        "size(inputs)",
        "inputs.artifacts['m'].artifacts[0].size",
        "a",
        "1 == 1 1",
        "'x",
        "inputs['m']",
        "#",
    ],
)
def test_other_conditions_are_not_understood(condition: str) -> None:
    with pytest.raises(cel.ConditionError):
        cel.compile_condition(condition)


@pytest.mark.parametrize("condition", [N, f"!{N}", f"{N} < 'a'", f"{N} && true", f"{M}.metadata['none'] == 1"])
def test_conditions_without_a_truth_value(condition: str) -> None:
    with pytest.raises(StepError):
        cel.holds(condition, GIVEN)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain {{ $ }}", "plain {{ $ }}"),
        ("{{$.inputs.parameters['n']}}+{{$.inputs.parameters['x']}}", "5+0.5"),
        ("{{$.inputs.parameters['yes']}} {{$.inputs.parameters['list']}}", 'true [1, "c"]'),
        ("{{$.inputs.artifacts['m'].uri}}/{{$.inputs.artifacts['m'].metadata['blessed']}}", "/u/1"),
        ("{{$.inputs.artifacts['m'].name}}", "p/1"),
        ("{{$.outputs.artifacts['o'].uri}} {{$.outputs.parameters['n'].output_file}}", "/t/o /t/n"),
        ("{{$.pipeline_job_name}}", "job-1"),
    ],
)
def test_placeholders(text: str, filled: str) -> None:
    assert placeholders.find_unknown(text) == []
    assert placeholders.fill(text, GIVEN, {"pipeline_job_name": "job-1"}) == filled


def test_the_whole_input_and_the_input_inside_json() -> None:
    assert json.loads(placeholders.fill("{{$}}", GIVEN, {})) == GIVEN
    inside = json.loads(placeholders.fill('{"a": "{{$.json_escape[1]}}"}', GIVEN, {}))
    assert json.loads(inside["a"]) == GIVEN


def test_placeholders_that_stand_for_nothing() -> None:
    with pytest.raises(StepError, match="has no value here"):
        placeholders.fill("{{$.inputs.parameters['none']}}", GIVEN, {})


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('schema_title="tfx.Model" AND state=LIVE', True),
        ('schema_title="tfx.Model" AND name="p/1"', True),
        ('schema_title="tfx.Model" AND name="p/2"', False),
        ('schema_title="tfx.Model" AND metadata.blessed.number_value=1', True),
        ('schema_title="tfx.Model" AND metadata.blessed.number_value=0', False),
        ('schema_title="tfx.Model" AND metadata.span.string_value="2"', True),
    ],
)
def test_filters(text: str, passes: bool) -> None:
    title, test = query.parse_filter(text)
    assert title == "tfx.Model"
    assert test(Artifact("p/1", title, {}, "/u", {"blessed": 1.0, "custom:span": "2"})) is passes


@pytest.mark.parametrize(
    "text", ["", "state=LIVE", 'schema_title="a.B" AND state=DELETED', 'schema_title="a.B" OR x=1']
)
def test_other_filters_are_not_understood(text: str) -> None:
    with pytest.raises(query.FilterError):
        query.parse_filter(text)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("", ""),
        ("a\nb\n--- attempt 2\n", "b (log: {log})"),
        (
            "Traceback (most recent call last):\n  File x\nValueError: 3\nI1122 more\n",
            "ValueError: 3; the whole traceback is in {log}",
        ),
        (
            "Traceback (most recent call last):\n  File\nhilir.components.errors.DataRefused: two\n  second\n\n",
            "two\n  second (log: {log})",
        ),
        (
            "Traceback (most recent call last):\n  a\nKeyError: 1\n\nDuring handling\n\n"
            "Traceback (most recent call last):\n  b\nfoo.bar.QuotaError\n",
            "QuotaError; the whole traceback is in {log}",
        ),
    ],
)
def test_reasons_in_logs(tmp_path: Path, log: str, reason: str) -> None:
    (tmp_path / "log").write_text(log)
    assert read_reason(tmp_path / "log") == reason.format(log=tmp_path / "log")
    assert read_reason(tmp_path / "none") == ""


def test_figures_in_logs(tmp_path: Path) -> None:
    log, seen = tmp_path / "log", []
    log.write_text("I1122 18:17:31.0 1 callbacks.py:54] epoch 1/3, loss 2.0\n")
    follower = Follower(log, seen.append)
    with log.open("a") as file:
        file.write("W1122 18:17:32.2 140 callbacks.py:300] Callback method is slow\n")
        file.write("noise\nI1122 18:17:32.2 140 callbacks.py:54] epoch 2/3, loss 0.9288\nI1122 18 callbacks.py:54] ep")
    follower.report_new()
    follower.report_new()
    assert seen == [{"epoch": "2/3", "loss": 0.9288}]
    assert parse_figures("ready") == {}


@pytest.mark.parametrize(
    ("code", "text"), [(3, "ended with exit code 3"), (-15, "was killed by SIGTERM"), (-99, "was killed by signal 99")]
)
def test_exits(code: int, text: str) -> None:
    assert describe_exit(code) == text
