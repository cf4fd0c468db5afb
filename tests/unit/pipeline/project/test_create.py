"""A project as a whole: leaks, splits, the bound, and the files."""

from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import numpy as np
import pandas as pd
import pytest

from hilir.components.example_gen.ingest import Ingest
from hilir.components.example_gen.settings import ReadSettings, SplitSettings
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.project.create import Wish, design_project, write_project
from hilir.pipeline.project.simple_models import Baseline
from hilir.pipeline.project.split_preview import split_rows


@pytest.fixture
def iris(tmp_path, monkeypatch) -> pd.DataFrame:
    from sklearn.datasets import load_iris

    monkeypatch.chdir(tmp_path)
    bunch = load_iris(as_frame=True)
    frame = bunch.frame
    frame["species"] = [bunch.target_names[number] for number in frame.pop("target")]
    return frame


def design(frame: pd.DataFrame, **options):
    frame.to_csv("iris.csv", index=False)
    return design_project(Wish("irises", Path("iris.csv"), "species", **options))


def kinds(found) -> dict[str, str]:
    return {column.name: column.kind for column in found.columns}


def test_strong_honest_columns_stay_and_leaks_go(iris):
    iris["shelf"] = iris["species"].map({"setosa": 3, "versicolor": 7, "virginica": 9})
    iris["opened"] = np.where(iris["species"] == "virginica", "2024-01-05", "2023-12-31")
    found = kinds(design(iris))
    assert found.pop("shelf") == "leak"
    # One class of three is not the label.
    assert found.pop("opened") == "date"
    assert set(found.values()) == {"number"}
    assert kinds(design(iris, keep=("shelf",)))["shelf"] == "number"


def test_the_bound_is_below_the_better_baseline_by_two_errors(iris):
    baseline = design(iris).baseline
    assert baseline.metric == "accuracy"
    assert baseline.best == max(baseline.linear, baseline.trees) > 0.9
    assert baseline.margin == max(0.02, 2 * baseline.error)
    assert baseline.bound == pytest.approx(min(baseline.best, baseline.typical) - baseline.margin)
    assert not baseline.is_weak


def test_few_rows_have_the_error_of_their_split(iris):
    from hilir.pipeline.project.simple_models import find_baseline
    from hilir.pipeline.project.split_preview import split_rows

    found = design(iris)
    own, *others = (split_rows(found.table, salt=salt) for salt in ("", "1", "2", "3", "4", "5"))
    alone = find_baseline(found.table.cells, found.columns, found.label, own)
    reached = [find_baseline(found.table.cells, found.columns, found.label, each) for each in others]
    # Of the model that is better on the split that is used.
    values = [alone.best, *(each.linear if alone.linear >= alone.trees else each.trees for each in reached)]
    assert found.baseline == replace(
        alone, error=max(alone.error, float(np.std(values))), typical=float(np.mean(values))
    )
    assert found.baseline.error > alone.error


def test_the_bound_is_never_below_chance():
    baseline = Baseline("auc", 0.3, 0.45, 0.02, 0.5)
    assert (baseline.bound, baseline.is_weak) == (0.5, True)


def test_rows_of_a_group_are_on_one_side(iris):
    from hilir.pipeline.project.split_preview import split_rows

    iris["plant"] = np.arange(len(iris)) % 30
    found = design(iris, group="plant")
    assert (found.group, kinds(found)["plant"]) == ("plant", "group")
    sides = pd.Series(split_rows(found.table, by="plant")).groupby(iris["plant"]).nunique()
    assert set(sides) == {1}
    write_project(found, found.table.path.parent)
    assert 'split: {by: ["plant"]}' in (found.table.path.parent / "irises.yaml").read_text()


def test_equal_rows_are_on_both_sides_where_few_are_different(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cases = [(sex, age, survived) for sex in "mf" for age in ("child", "adult") for survived in ("yes", "no")]
    shares = (30, 20, 160, 500, 40, 12, 300, 90)
    lines = [",".join(kind) for kind, count in zip(cases, shares, strict=True) for _ in range(count)]
    Path("people.csv").write_text("\n".join(["sex,age,survived", *lines]) + "\n")
    design = design_project(Wish("people", Path("people.csv"), "survived"))
    assert design.contents == 8
    assert 0.7 < design.baseline.linear < 0.9
    write_project(design, Path())
    assert "  split: {equal_rows: apart}  # only 8 rows are different" in Path("people.yaml").read_text().splitlines()
    # The rows that evaluate are those that the ingest will choose.
    files = [("people.csv", None)]
    settings = ReadSettings(split=SplitSettings(equal_rows="apart"))
    folders = {name: str(tmp_path / name) for name in ("train", "eval")}
    work = str(tmp_path / "work")
    found = Ingest(settings, lambda: beam.Pipeline(argv=["--runner=FnApiRunner"]), work).run(files, folders)
    assert found.rows["eval"] == split_rows(design.table, apart=True).sum()
    # Rows with names, of which each is different, need it not.
    Path("people.csv").write_text(
        "\n".join(["name,sex,age,survived", *(f"P{n},{line}" for n, line in enumerate(lines))]) + "\n"
    )
    assert design_project(Wish("people", Path("people.csv"), "survived")).contents == 0


def test_outcomes_are_named_as_the_column_of_the_label(tmp_path, monkeypatch):
    """A number to predict has another name within the model."""
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    area = rng.normal(90, 20, 300)
    frame = pd.DataFrame({"area": area, "price (EUR)": 2000 * area + rng.normal(0, 9000, 300)})
    frame.to_csv("homes.csv", index=False)
    found = design_project(Wish("homes", Path("homes.csv"), "price (EUR)"))
    write_project(found, tmp_path)
    assert (found.label_name, found.label.name) == ("label", "price (EUR)")
    assert 'monitor: {outcome: "price (EUR)"}' in (tmp_path / "homes.yaml").read_text()


DAYS = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(150) * 7 % 150, "D")
NEWEST = [n for n in range(150) if n * 7 % 150 >= 101]


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("%Y-%m-%d", ""), ("%Y%m%d", ""), ("%d.%m.%Y", "%d.%m.%Y"), ("%m/%d/%Y", "%m/%d/%Y"),
        ("%d %b %Y", "%d %b %Y"), ("%Y-%m-%d %H:%M:%S", ""), ("%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M %p"),
    ],
)  # fmt: skip
def test_the_newest_rows_evaluate_here_and_in_the_ingest(iris, tmp_path, form, written):
    import apache_beam as beam

    from hilir.components.example_gen.ingest import Ingest
    from hilir.components.example_gen.settings import ReadSettings
    from hilir.pipeline.config.layers import read_file
    from hilir.pipeline.project.split_preview import split_by_time

    iris["day"] = DAYS.strftime(form)
    found = design(iris, time="day")
    assert (found.time.form, found.time.without) == (written, 0.0)
    assert np.flatnonzero(split_by_time(found.table, found.time)).tolist() == NEWEST
    write_project(found, tmp_path)
    data = read_file(tmp_path / "irises.yaml").values["data"]
    settings = ReadSettings(split=data["split"], splits={"train": 2, "eval": 1}, columns=data.get("columns", {}))
    folders = {name: str(tmp_path / "out" / name) for name in settings.splits}
    make = lambda: beam.Pipeline(argv=["--runner=FnApiRunner"])  # noqa: E731
    ingested = Ingest(settings, make, str(tmp_path / "work")).run([(str(found.table.path), None)], folders)
    assert ingested.rows == {"train": 150 - len(NEWEST), "eval": len(NEWEST)}


def test_rows_without_a_time_are_left_out_and_said(iris, tmp_path):
    iris["day"] = [day if n % 30 else "" for n, day in enumerate(DAYS.strftime("%d.%m.%Y"))]
    found = design(iris, time="day")
    assert found.time.without == pytest.approx(5 / 150)
    write_project(found, tmp_path)
    text = (tmp_path / "irises.yaml").read_text()
    assert "on_bad_rows: skip  # 3.3% of the rows have no time" in text
    assert "max_bad_rows: 0.05" in text


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (DAYS.strftime("%d/%m/2024").str.replace(r"^\d\d", "01", regex=True), "could be either"),
        ([f"Q{n % 4 + 1} 2024" for n in range(150)], "are no times that rows could be split by"),
        (
            [(day.strftime("%d.%m.%Y") if n % 2 else day.strftime("%Y/%m/%d")) for n, day in enumerate(DAYS)],
            "many ways",
        ),
    ],
)
def test_times_that_could_be_others_are_refused(iris, values, why):
    iris["day"] = values
    with pytest.raises(ConfigError, match=f"--time day: its values, such as '.*', .*{why}"):
        design(iris, time="day")


def test_the_files_are_written_once_and_never_over_others(iris, tmp_path):
    found = design(iris)
    written, kept = write_project(found, tmp_path)
    assert (written[-1], kept) == ("irises.yaml", [])
    assert (tmp_path / "Dockerfile").read_text().count("\n") == 3
    assert write_project(found, tmp_path) == (written, [])
    (tmp_path / "README.md").write_text("mine")
    assert write_project(found, tmp_path) == ([name for name in written if name != "README.md"], ["README.md"])
    assert (tmp_path / "README.md").read_text() == "mine"
    (tmp_path / "irises/model.py").write_text("mine")
    with pytest.raises(ConfigError, match=r"irises/model\.py: there already, and different"):
        write_project(found, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time": "x"}, "--time x: there is no such column"),
        ({"keep": ("x",)}, "--keep x: there is no such column"),
        ({"task": "regression"}, "contains 'setosa', which is not a number"),
    ],
)
def test_what_is_typed_wrong_is_refused(iris, options, message):
    with pytest.raises(ConfigError, match=message):
        design(iris, **options)


@pytest.mark.parametrize("name", ["numpy", "random", "Iris", "1st", "class", "hilir", "a b"])
def test_names_that_no_package_may_have(name, tmp_path):
    with pytest.raises(ConfigError, match=r"is not a valid name|is the name of a module"):
        design_project(Wish(name, tmp_path / "x.csv", "y"))


def test_too_few_rows(iris):
    with pytest.raises(ConfigError, match="40 rows have a label; at least 60 are needed"):
        design(iris.iloc[30:70])
