"""The other files of a new project: configuration, schema, README and the workflow of CI."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.project.design import Design, find_dropped
from hilir.pipeline.project.split_preview import EVAL_SHARE

_RARE = 0.1
_SLICES, _LEAST_SLICE_ROWS, _MOST_SLICES = 2, 200, 6


def write_config(design: Design) -> str:
    """Returns NAME.yaml."""
    label, table = design.label, design.table
    what = f"{label.name!r} ({label.task}: {label.why})"
    lines = [
        f"# Predicts {what} from {design.file_name}, {table.rows:,} rows. `hilir config show` has every key.",
        f"model: {{name: {_string(design.name)}, package: {design.package}}}",
        "data:",
        f"  path: {_string(_folder(table.path))}",
        f"  pattern: {_string(table.path.name)}",
        *_reading(design),
        f"schema: {{path: {design.package}/schema.pbtxt}}",
        "train:",
        *_training(design),
        "evaluate:",
        "  metrics:",
        *(f"    - {line}" for line in _metrics(design)),
    ]
    slices = list(_find_slices(design))
    if slices:
        lines += ["  slices:"]
        lines += [f"    {_string(_slice_name(name))}: {{features: [{_string(name)}]}}" for name in slices]
    return "\n".join([*lines, *_thresholds(design), *_monitor(design)]) + "\n"


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _folder(path: Path) -> str:
    return str(path.parent)


def _reading(design: Design) -> Iterator[str]:
    table = design.table
    if table.csv:
        yield f"  csv: {{{', '.join(f'{name}: {_string(mark)}' for name, mark in table.csv.items())}}}"
    declared = [each.name for each in design.columns if each.is_declared]
    declared += [design.label.name] if design.label.is_declared else []
    dropped = find_dropped(design.columns)
    if table.dates or declared:
        strings = dict.fromkeys([*table.dates, *declared], "string")
        yield f"  columns: {json.dumps(strings, ensure_ascii=False)}  # {_explain(table.dates)}"
    if dropped:
        yield f"  drop: {json.dumps(dropped, ensure_ascii=False)}"
    if design.time is not None:
        yield "  # The newest rows evaluate."
        form = f"format: {_string(design.time.form)}, " if design.time.form else ""
        yield f"  split: {{time: {{column: {_string(design.time.name)}, {form}eval_share: {EVAL_SHARE}}}}}"
        if design.time.without:
            most = math.ceil(150 * design.time.without) / 100
            yield f"  on_bad_rows: skip  # {design.time.without:.1%} of the rows have no time"
            yield f"  max_bad_rows: {max(most, 0.01):g}"
    elif design.group is not None:
        yield f"  split: {{by: [{_string(design.group)}]}}  # rows of one group stay on one side"
    elif design.contents:
        salt = f"salt: {_string(design.salt)}, " if design.salt else ""
        yield f"  split: {{{salt}equal_rows: apart}}  # only {design.contents} rows are different"
    elif design.salt:
        yield f"  split: {{salt: {_string(design.salt)}}}  # with this one every class has rows on both sides"


def _explain(dates: Sequence[str]) -> str:
    return "dates as text: 2024-12-31 23:59:59" if dates else "text, although numbers are among them"


def _training(design: Design) -> Iterator[str]:
    rows = int(design.table.rows * 2 / 3)
    batch = 32 if rows < 2000 else 128 if rows < 20_000 else 256
    epochs = 100 if rows < 5000 else max(5, min(40, 1_500_000 // rows))
    steps = max(1, rows // batch) * epochs
    yield f"  epochs: {epochs}"
    yield f"  batch_size: {batch}"
    yield f"  learning_rate: {{schedule: cosine, initial: {0.005 if rows < 5000 else 0.003}, decay_steps: {steps}}}"
    yield f"  early_stopping: {{monitor: val_loss, patience: {15 if rows < 5000 else 5}}}"
    if design.label.task == "binary" and min(design.label.positive, 1 - design.label.positive) < 0.02:
        yield "  class_weight: balanced  # a class has fewer than 2 % of the rows"


def _metrics(design: Design) -> Iterator[str]:
    label = design.label
    if label.task == "regression":
        yield "{name: rmse, class: RootMeanSquaredError}"
        yield "{name: mae, class: MeanAbsoluteError}"
    elif label.task == "binary":
        yield "{name: auc, class: AUC}"
        if min(label.positive, 1 - label.positive) < _RARE:
            yield "{name: pr_auc, class: AUCPrecisionRecall}"
        yield "{name: accuracy, class: BinaryAccuracy}"
    else:
        yield "{name: accuracy, class: SparseCategoricalAccuracy}"
        yield "{name: loss, class: SparseCategoricalCrossentropy}"
    yield "{name: example_count, class: ExampleCount}"


def _find_slices(design: Design) -> Iterator[str]:
    """Yields the columns of few values, each of which has enough rows."""
    found = 0
    for column in design.of("category"):
        counts = design.table.cells[column.name].value_counts()
        if column.distinct <= _MOST_SLICES and counts.min() >= _LEAST_SLICE_ROWS and found < _SLICES:
            found += 1
            yield column.name


def _slice_name(name: str) -> str:
    return "".join(each if each.isalnum() else "_" for each in name)


def _thresholds(design: Design) -> Iterator[str]:
    baseline = design.baseline
    shown = {"auc": "AUC", "accuracy": "accuracy", "r2": "R²"}[baseline.metric]
    yield "  thresholds:"
    yield (
        f"    # On the same rows: linear {baseline.linear:.3f}, trees {baseline.trees:.3f} ({shown}). "
        f"The bound is {baseline.reason}."
    )
    if baseline.metric == "r2":
        yield (f"    # An R² of {baseline.bound:.3f} is this, as the label's deviation there is {baseline.spread:.4g}.")
        yield f"    - {{metric: rmse, max: {baseline.rmse:.4g}, better: lower}}"
    else:
        yield f"    - {{metric: {baseline.metric}, min: {max(0.0, baseline.bound):.3f}}}"


def _monitor(design: Design) -> Iterator[str]:
    """Outcomes have the name that the column has for its owner, not the one that it has within the model."""
    if design.label_name != design.label.name:
        yield f"monitor: {{outcome: {_string(design.label.name)}}}  # the name of outcomes that are labels"


def write_schema(design: Design) -> str:
    """Returns the schema: type and presence of each column, and the classes."""
    lines = [f"# What the rows of {design.file_name} must look like; checked in every run before anything is trained."]
    label = design.label
    present = 1 - label.missing / len(design.table.cells)
    values = [*label.classes, *label.spellings] if label.type == "BYTES" else []
    lines += _feature(label.name, label.type, present, values)
    for column in design.columns:
        if column.name and column.kind not in ("empty", "nested"):
            is_list = column.kind in ("tags", "vector", "list") and not column.format
            lines += _feature(column.name, column.type, 1 - column.missing, [], is_list=is_list)
    return "\n".join(lines) + "\n"


def _feature(name: str, kind: str, present: float, values: list[str], *, is_list: bool = False) -> Iterator[str]:
    yield "feature {"
    yield f"  name: {_proto(name)}"
    yield f"  type: {kind}"
    if not is_list:
        yield "  value_count { min: 1 max: 1 }"
    yield f"  presence {{ min_fraction: {0.95 * present:.3g} min_count: 1 }}"
    if values:
        yield "  string_domain {"
        yield from (f"    value: {_proto(value)}" for value in values)
        yield "  }"
    yield "}"


def _proto(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'


def write_readme(design: Design) -> str:
    """Returns README.md, one page."""
    label, baseline = design.label, design.baseline
    classes = f" Its classes: {', '.join(f'`{each}`' for each in label.classes[:20])}." if label.classes else ""
    outside = [f"- `{each.name}`: {each.kind}, {each.why}" for each in design.columns if not each.is_feature]
    left_out = (
        "\n".join(["", "Left out, as `" + design.package + "/features.py` says:", "", *outside, ""]) if outside else ""
    )
    return f"""# {design.name}

Predicts `{label.name}` from `{design.file_name}` ({label.task}).{classes}

    hilir run                 # train, evaluate and push a version, if it is good enough
    hilir runs list           # past runs
    hilir serve               # REST on port 8501; the run prints a request to try
    hilir predict {design.file_name} --out predictions.csv
    hilir tune {design.name}.yaml     # search for better hyperparameters

| file | what it is |
| --- | --- |
| `{design.package}/features.py` | each column's kind; move a line to change it |
| `{design.package}/preprocessing.py` | from columns to tensors, the same in training and serving |
| `{design.package}/model.py` | the network and its hyperparameters |
| `{design.package}/schema.pbtxt` | what the rows must look like |
| `{design.name}.yaml` | data, training, metrics and the bound; `hilir config show` has every key |
| `Dockerfile` | the project on top of hilir's image; `hilir image` builds it |
| `.github/workflows/hilir.yaml` | checks the project at every push |
{left_out}
On the rows that evaluate, a linear model reaches {baseline.linear:.3f} and boosted trees {baseline.trees:.3f}
({baseline.metric}). A version is pushed from {baseline.bound:.3f} on: {baseline.reason}
(the larger of 0.02 and 2 standard errors).
"""


def write_workflow(design: Design) -> str:
    """Returns the workflow of CI: it checks the project, and trains nothing to the end."""
    return f"""name: hilir
on: [push, pull_request]
jobs:
  check:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683  # v4.2.2
      - uses: actions/setup-python@a26af69be951a213d495a4c3e4e4022e16d87065  # v5.6.0
        with: {{python-version: "3.11"}}
      # runtime.txt and the wheel are those of the version of hilir that you use.
      - run: pip install --require-hashes --no-deps -r runtime.txt && pip install --no-deps hilir-*.whl
      - run: hilir config check {design.name}.yaml
      - run: hilir run {design.name}.yaml --check
"""


def refuse_pattern(name: str) -> None:
    """Raises ConfigError if a file's name means something else as a pattern."""
    marks = sorted(set(name) & set("[]*?{}"))
    if marks:
        raise ConfigError(
            f"--data: the name '{name}' has '{marks[0]}', which means something in data.pattern; rename the file"
        )
