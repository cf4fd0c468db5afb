"""The text of features.py: one line for each column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hilir.pipeline.project.columns.column import Column
from hilir.pipeline.project.columns.dates import SECONDS, date_order
from hilir.pipeline.project.design import Design


def write_features(design: Design) -> str:
    """Returns features.py."""
    lines = [
        f'"""The columns of {design.file_name} by kind. Move a line to treat a column otherwise; then `hilir run`."""',
        "",
        f"LABEL = {_quote(design.label_name)}",
        f"LABEL_COLUMNS = ({_quote(design.label.name)},)",
        *_label(design),
        *_sequence("NUMBERS", design.of("number"), "Scaled to mean 0 and deviation 1."),
        *_sequence("LOGARITHMS", design.of("log number"), "The same of log(1 + x)."),
        *_sequence("INDICATORS", design.gappy, "Numbers whose absence tells something."),
        *_texts(design),
        *_categories(design),
        *_dates(design),
        *_lists(design),
        *_sequence("TEXTS", design.of("text"), "Words, hashed."),
    ]
    left_out = [each for each in design.columns if not each.is_feature]
    if left_out:
        lines.append("# Left out:")
        lines += [f"#   {_quote(each.name)}: {each.kind}, {each.why}" for each in left_out]
    return "\n".join(lines) + "\n"


def _label(design: Design) -> Iterator[str]:
    label = design.label
    if label.spellings:
        names = {old: _quote(new) for old, new in sorted(label.spellings.items())}
        yield from _mapping("LABEL_SPELLINGS", names, "Spellings of a class, and its name.")
    if label.task == "regression":
        yield "# Mean and standard deviation, so that the network learns numbers around zero."
        yield f"LABEL_MEAN, LABEL_SPREAD = {design.mean:.6g}, {design.spread:.6g}"
        if label.decimal:
            yield "# The decimal mark of its texts."
            yield f"LABEL_MARK = {_quote(label.decimal)}"


def _texts(design: Design) -> Iterator[str]:
    """Yields how numbers are read from texts."""
    marks = {each.name: _quote(each.format) for each in design.amounts}
    what = "Which of the numbers are texts with a unit, or with gaps in words, and their decimal mark."
    yield from _mapping("AMOUNTS", marks, what)
    units = {each.name: _write_units(each) for each in design.measures}
    yield from _mapping("MEASURES", units, "Which of the numbers are texts with units, and how much each unit is.")
    yield from _sequence("BOOLEANS", design.booleans, "Which of the numbers are words for yes and no.")


def _categories(design: Design) -> Iterator[str]:
    columns = design.of("category", "large category")
    sizes = {each.name: f"{min(each.distinct, 1000)}" for each in columns}
    what = "How many different values the model knows of each; all others are one more."
    yield from _mapping("CATEGORIES", sizes, what, columns)


def _dates(design: Design) -> Iterator[str]:
    dates = [each for each in design.of("date") if each not in design.epochs]
    orders = {each.name: _quote(date_order(each.format)) for each in dates}
    yield from _mapping("DATES", orders, f"In which order the parts of dates are: {_explain_orders(dates)}.", dates)
    seconds = {each.name: "1" if each.format == SECONDS else "1000" for each in design.epochs}
    yield from _mapping("EPOCHS", seconds, "Times as numbers, and how many make a second.", design.epochs)


def _lists(design: Design) -> Iterator[str]:
    for name, columns, comment in (
        ("TAGS", design.of("tags"), "Lists of strings, and how many different ones the model knows."),
        ("VECTORS", design.of("vector"), "Lists of numbers, and how many each has."),
    ):
        yield from _mapping(
            name, {each.name: f"{each.width or min(each.distinct, 100)}" for each in columns}, comment, columns
        )
    marks = {each.name: _quote(each.format) for each in design.separated}
    yield from _mapping("SEPARATORS", marks, "What separates the tags in a text.")
    yield from _sequence("NUMBER_TEXTS", design.number_texts, "Which of the vectors are texts.")


def _mapping(name: str, values: Mapping[str, str], comment: str, columns: Sequence[Column] = ()) -> Iterator[str]:
    """Yields a dict, one line for each name; the columns are those of the values, each of which gets a comment."""
    if not values:
        return
    comments = {each.name: _comment(each) for each in columns}
    yield f"# {comment}"
    yield f"{name} = {{"
    yield from (f"    {_quote(key)}: {value},{comments.get(key, '')}" for key, value in values.items())
    yield "}"


def _explain_orders(columns: Sequence[Column]) -> str:
    names = {
        "y": "y a year", "s": "s a year of two digits", "m": "m a month", "b": "b a month's name",
        "d": "d a day", "H": "H an hour", "I": "I an hour of twelve",
    }  # fmt: skip
    used = "".join(date_order(each.format) for each in columns)
    return ", ".join(text for part, text in names.items() if part in used)


def _sequence(name: str, columns: Sequence[Column], comment: str) -> list[str]:
    if not columns:
        return []
    lines = [f"# {comment}", f"{name} = ("]
    lines += [f"    {_quote(each.name)},{_comment(each)}" for each in columns]
    return [*lines, ")"]


def _write_units(column: Column) -> str:
    return "{" + ", ".join(f"{_quote(unit)}: {size:.10g}" for unit, size in column.units.items()) + "}"


def _comment(column: Column) -> str:
    gaps = f", {column.missing:.0%} missing" if column.missing >= 0.005 else ""
    return f"  # {column.why}{gaps}"


def _quote(text: str) -> str:
    shown = "".join(each if each.isprintable() and each not in '"\\' else f"\\u{ord(each):04x}" for each in text)
    return f'"{shown}"'
