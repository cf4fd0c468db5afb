"""`hilir schema`: shown, compared and written."""

from __future__ import annotations

import pytest

from hilir.pipeline.cli.main import _run

FIRST = """
feature { name: "flipper" type: FLOAT presence { min_count: 1 } value_count { min: 1 max: 1 } }
feature { name: "island" type: BYTES domain: "island" presence { min_fraction: 1.0 } shape { dim { size: 1 } }
          distribution_constraints { min_domain_mass: 0.9 } }
feature { name: "eggs" type: INT presence { min_count: 1 } value_count { min: 1 max: 1 } }
feature { name: "tags" type: BYTES presence { min_fraction: 0.5 } value_count { min: 1 max: 3 } }
string_domain { name: "island" value: "Biscoe" value: "Dream" }
"""
FILLED = """
tensor_representation_group { key: "" value { tensor_representation { key: "flipper"
  value { dense_tensor { column_name: "flipper" shape { dim { size: 1 } } default_value { float_value: 181.3 } } } } } }
"""
SECOND = (
    (FIRST + FILLED)
    .replace("min: 1 max: 3 }", 'min: 1 max: 3 } annotation { tag: "hilir.unread" }')
    .replace('value: "Dream"', 'value: "Dream" value: "Torgersen"')
    .replace('"eggs"', '"nests"')
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, content in ((1, FIRST), (2, SECOND)):
        folder = tmp_path / "models" / "birds" / str(number) / "assets.extra"
        folder.mkdir(parents=True)
        (folder / "schema.pbtxt").write_text(content)
    (tmp_path / "birds.yaml").write_text(
        "model: {name: birds, package: birds}\ndata: {path: data}\nserving: {root: models}\n"
        "evaluate: {metrics: [{name: auc, class: AUC}], thresholds: [{metric: auc, min: 0}]}\n"
    )
    return tmp_path


def test_the_newest_versions_schema_is_shown_in_words(project, capsys):
    assert _run(["schema", "show"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "models/birds/2/assets.extra/schema.pbtxt:",
        "  flipper  number, cells may be empty, empty ones are 181.3",
        "  island   text, a value in each row, one of Biscoe | Dream | Torgersen, 10% of the rows may have others",
        "  nests    whole number, cells may be empty",
        "  tags     text, several values a row, a value in 50% of the rows, read by nothing",
    ]


def test_versions_are_compared(project, capsys):
    assert _run(["schema", "diff"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "- eggs: whole number, cells may be empty",
        "~ flipper: number, cells may be empty, empty ones are 181.3   (was: number, cells may be empty)",
        "~ island: text, a value in each row, one of Biscoe | Dream | Torgersen, 10% of the rows may have others   "
        "(was: text, a value in each row, one of Biscoe | Dream, 10% of the rows may have others)",
        "    + Torgersen",
        "+ nests: whole number, cells may be empty",
        "~ tags: text, several values a row, a value in 50% of the rows, read by nothing   "
        "(was: text, several values a row, a value in 50% of the rows)",
    ]
    assert _run(["schema", "diff", "--old", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == ["no difference"]


def test_a_frozen_schema_is_what_is_shown_and_compared_next(project, capsys):
    assert _run(["schema", "freeze", "--version", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "schema: {path: schema.pbtxt}"
    assert (project / "schema.pbtxt").read_text() == FIRST
    assert _run(["schema", "freeze"]) == 3
    assert capsys.readouterr().err == (
        "hilir: schema.pbtxt: is there already; give another --out, or --force to replace it\n"
    )
    assert _run(["schema", "show", "--set", "schema.path=schema.pbtxt"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "schema.pbtxt:"
    assert _run(["schema", "diff", "--set", "schema.path=schema.pbtxt"]) == 0
    assert "    + Torgersen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "--version", "7"], "models/birds: there is no version 7 whose schema could be read"),
        (["diff", "--old", "gone.pbtxt"], "gone.pbtxt: there is no such file"),
        (["show", "--set", "schema.path=birds.yaml"], "birds.yaml: is not a schema (text proto): "),
        (["freeze", "--set", "model.name=cats"], "models/cats: nothing has been pushed yet"),
    ],
)
def test_what_is_not_there_is_a_sentence(project, capsys, words, message):
    assert _run(["schema", *words]) == 3
    assert capsys.readouterr().err.startswith(f"hilir: {message}")
