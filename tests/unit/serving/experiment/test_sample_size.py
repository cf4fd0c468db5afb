from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hilir.serving.cli.experiment import experiment


def run(*arguments: str):
    return CliRunner().invoke(experiment, ["plan", *arguments])


def test_a_plan_names_size_reason_and_days():
    done = run("--base", "0.1", "--effect", "0.02", "--users", "1000")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "plan 13,443 users, 6,722 of them in the smaller arm",
        "  a test that is looked at once would need 7,682; this one may be looked at any time, and needs 1.75 times as "
        "many for the same power of 80%",
        "  under the planned effect of +0.02 half of such experiments end before 7,394",
        "  at that traffic: 14 days (at least 7, so that each weekday counts)",
        "  next: hilir experiment start NAME --candidate VERSION --metric … --planned 13443",
    ]
    assert "at that traffic: 1,345 days" in run("--base", "0.1", "--effect", "0.02", "--users", "10").output
    assert "that is long" in run("--base", "0.1", "--effect", "0.02", "--users", "10").output


def test_a_plan_as_json_for_a_mean_and_unequal_shares():
    done = run("--deviation", "1", "--effect", "-0.1", "--percent", "10", "--json")
    assert json.loads(done.output) == {
        "fixed": 8721, "planned": 16_570, "share": 0.1, "effect": -0.1, "power": 0.8, "days": None,
    }  # fmt: skip


def test_what_cannot_be_planned_is_refused():
    assert "give --base for a rate, or --deviation for a mean" in run("--effect", "1").output


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (
            ("--base", "0.9", "--effect", "0.2"),
            "--effect +0.2: from 0.9 that leads to 1.1, and a rate is between 0 and 1",
        ),
        (("--base", "10", "--effect", "2"), "--base 10: a rate is between 0 and 1; 10 % is 0.1"),
        (("--base", "0.1", "--effect", "0"), "--effect 0: give a difference that would matter to you"),
        (("--base", "nan", "--effect", "0.1"), "--base nan: a rate is between 0 and 1"),
        (("--deviation", "3", "--effect", "inf"), "--effect inf: give a difference"),
        (("--deviation", "-3", "--effect", "1"), "--deviation -3: a standard deviation is above 0"),
        (("--base", "0.5", "--effect", "0.1", "--power", "0.5"), "--power 0.5: give one from 0.8 to below 1"),
        (("--base", "0.5", "--effect", "0.1", "--percent", "100"), "--percent 100: the candidate's share is between"),
        (("--base", "0.5", "--effect", "0.1", "--alpha", "5"), "--alpha 5: a chance is between 0 and 1"),
    ],
)
def test_each_number_that_makes_no_sense_is_named(words, fault):
    done = run(*words)
    assert done.exit_code == 2
    assert fault in done.output
