"""The text of the modules of a new package: only what its columns need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hilir.pipeline.project.design import Design
from hilir.pipeline.project.kinds import Column

_LINE = 110


def write_features(design: Design) -> str:
    """Returns features.py: one line for each column."""
    lines = [
        f'"""The columns of {design.file_name} by kind. Move a line to treat a column otherwise; then `hilir run`."""',
        "",
        f"LABEL = {_quote(design.label_name)}",
        f"LABEL_COLUMNS = ({_quote(design.label.name)},)",
    ]
    if design.label.spellings:
        lines += ["# Spellings of a class, and its name.", "LABEL_SPELLINGS = {"]
        lines += [f"    {_quote(old)}: {_quote(new)}," for old, new in sorted(design.label.spellings.items())]
        lines.append("}")
    if design.label.task == "regression":
        lines += ["# Mean and standard deviation, so that the network learns numbers around zero."]
        lines += [f"LABEL_MEAN, LABEL_SPREAD = {design.mean:.6g}, {design.spread:.6g}"]
    lines += _sequence("NUMBERS", design.of("number"), "Scaled to mean 0 and deviation 1.")
    lines += _sequence("LOGARITHMS", design.of("log number"), "The same of log(1 + x).")
    lines += _sequence("INDICATORS", design.gappy, "Numbers whose absence tells something.")
    categories = design.of("category", "large category")
    if categories:
        lines += ["# How many different values the model knows of each; all others are one more.", "CATEGORIES = {"]
        lines += [f"    {_quote(each.name)}: {min(each.distinct, 1000)},{_comment(each)}" for each in categories]
        lines.append("}")
    dates = design.of("date")
    if dates:
        lines += ["# Where year, month, day and hour are.", "DATES = {"]
        lines += [f"    {_quote(each.name)}: {_quote(date_order(each.format))},{_comment(each)}" for each in dates]
        lines.append("}")
    lines += _sequence("TEXTS", design.of("text"), "Words, hashed.")
    left_out = [each for each in design.columns if not each.is_feature]
    if left_out:
        lines.append("# Left out:")
        lines += [f"#   {_quote(each.name)}: {each.kind}, {each.why}" for each in left_out]
    return "\n".join(lines) + "\n"


def date_order(form: str) -> str:
    """Returns the parts of a date in their order: `ymd`, `dmyH` and so on."""
    return "".join(each for each in form if each in "YmdH").replace("Y", "y")


def _sequence(name: str, columns: Sequence[Column], comment: str) -> list[str]:
    if not columns:
        return []
    lines = [f"# {comment}", f"{name} = ("]
    lines += [f"    {_quote(each.name)},{_comment(each)}" for each in columns]
    return [*lines, ")"]


def _comment(column: Column) -> str:
    gaps = f", {column.missing:.0%} missing" if column.missing >= 0.005 else ""
    return f"  # {column.why}{gaps}"


def _quote(text: str) -> str:
    shown = "".join(each if each.isprintable() and each not in '"\\' else f"\\u{ord(each):04x}" for each in text)
    return f'"{shown}"'


def write_preprocessing(design: Design) -> str:
    """Returns preprocessing.py."""
    parts = list(_numeric_parts(design))
    name = design.package
    lines = [
        f'"""From the columns of {design.file_name} to tensors, for TensorFlow Transform."""',
        "",
        "from __future__ import annotations",
        "",
        *(["import math", ""] if design.of("date") else []),
        "import tensorflow as tf",
        "import tensorflow_transform as tft",
        "",
        f"from {name} import features",
        "",
        "",
        "def preprocessing_fn(inputs: dict[str, tf.Tensor | tf.SparseTensor]) -> dict[str, tf.Tensor]:",
        f'    """Returns {_describe_outputs(design)}."""',
        "    outputs = {}",
    ]
    if parts:
        lines += ["    numbers = []", *parts, '    outputs["numbers"] = tf.concat(numbers, axis=1)']
    if design.of("category", "large category"):
        lines += [
            "    sizes = features.CATEGORIES.items()",
            "    indices = [_index(inputs[name], size, position) for position, (name, size) in enumerate(sizes)]",
            '    outputs["categories"] = tf.concat(indices, axis=1)',
        ]
    if design.of("text"):
        lines += ['    outputs["words"] = tf.concat([_words(inputs[name]) for name in features.TEXTS], axis=1)']
    lines += ["    outputs[features.LABEL] = _label(inputs[features.LABEL_COLUMNS[0]])", "    return outputs"]
    for block in _functions(design):
        lines += ["", "", *block.strip("\n").splitlines()]
    return "\n".join(lines) + "\n"


def _describe_outputs(design: Design) -> str:
    names = ["`numbers` [rows, n] float32"] if design.has_numbers else []
    names += ["`categories` [rows, n] int64"] if design.of("category", "large category") else []
    names += ["`words` [rows, n] int64"] if design.of("text") else []
    return f"{', '.join(names)} and the label [rows, 1]"


def _numeric_parts(design: Design) -> Iterator[str]:
    if design.of("number"):
        yield "    numbers += [_scale(inputs[name]) for name in features.NUMBERS]"
    if design.of("log number"):
        yield "    numbers += [_scale(_log(inputs[name])) for name in features.LOGARITHMS]"
    if design.gappy:
        yield "    numbers += [_is_missing(inputs[name]) for name in features.INDICATORS]"
    if design.of("date"):
        yield "    for name, order in features.DATES.items():"
        yield "        numbers += _date(inputs[name], order)"


_SCALE = '''
def _scale(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Returns the numbers scaled to mean 0 and deviation 1, at most 5 from it; 0 where a row has none."""
    scaled = tft.scale_to_z_score(tf.cast(values, tf.float32))
    return tf.clip_by_value(_dense(scaled, 0.0), -5.0, 5.0)
'''
_LOG = """
def _log(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor | tf.SparseTensor:
    if isinstance(values, tf.SparseTensor):
        return values.with_values(_log(values.values))
    return tf.math.log1p(tf.maximum(tf.cast(values, tf.float32), 0.0))
"""
_IS_MISSING = """
def _is_missing(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    number = _dense(tf.cast(values, tf.float32), float("nan"))
    return tf.cast(tf.math.is_nan(number), tf.float32)
"""
_INDEX = '''
def _index(values: tf.Tensor | tf.SparseTensor, size: int, position: int) -> tf.Tensor:
    """Returns the number of each value, 0 for the most frequent; unknown and missing ones are the last."""
    return tft.compute_and_apply_vocabulary(
        _string(values), top_k=size, num_oov_buckets=1, vocab_filename=f"category_{position}"
    )
'''
_STRING = """
def _string(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    if values.dtype == tf.int64:
        number = _dense(values, features.MISSING)
        return tf.where(number == features.MISSING, "", tf.strings.as_string(number))
    if values.dtype == tf.float32:
        return _string(tf.cast(values, tf.int64))
    return tf.strings.strip(_dense(values, ""))
"""
_WORDS = '''
def _words(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Returns the first 50 words of each text as numbers from 1 to 4,096; 0 after its end."""
    texts = tf.strings.lower(_string(values)[:, 0])
    words = tf.strings.split(tf.strings.regex_replace(texts, r"[^\\pL\\pN]+", " "))
    hashed = tf.ragged.map_flat_values(lambda each: tf.strings.to_hash_bucket_fast(each, 4096) + 1, words)
    return tf.reshape(hashed.to_tensor(0, shape=[None, 50]), [-1, 50])
'''
_DATE = '''
def _date(values: tf.Tensor | tf.SparseTensor, order: str) -> list[tf.Tensor]:
    """Returns the day as a number, and year, week and day as circles; zeros where a row has no date."""
    text = _string(values)
    widths = {"y": r"(\\d{4})", "m": r"(\\d{1,2})", "d": r"(\\d{1,2})", "H": r"(\\d{1,2})"}
    pattern = r"^\\D*" + r"\\D*".join(widths[part] for part in order) + r".*$"
    there = tf.strings.regex_full_match(text, pattern)
    text = tf.where(there, text, "".join({"y": "2000 ", "m": "01 ", "d": "01 ", "H": "00"}[part] for part in order))
    found = {
        part: tf.strings.to_number(tf.strings.regex_replace(text, pattern, rf"\\{i}"), tf.int64)
        for i, part in enumerate(order, start=1)
    }
    # Days since 0000-03-01 in the Gregorian calendar.
    year, month = found["y"] - tf.cast(found["m"] <= 2, tf.int64), (found["m"] + 9) % 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + found["d"] - 1
    known = tf.cast(there, tf.float32)
    day = tf.cast(days, tf.float32) / 1000.0
    parts = [(day - tft.mean(day)) / (tf.sqrt(tft.var(day)) + 1e-6)]
    circles = [(found["m"], 12.0), (days, 7.0)] + ([(found["H"], 24.0)] if "H" in order else [])
    for number, period in circles:
        angle = tf.cast(number % int(period), tf.float32) * (2 * math.pi / period)
        parts += [tf.sin(angle), tf.cos(angle)]
    return [part * known for part in parts]
'''
_DENSE = '''
def _dense(values: tf.Tensor | tf.SparseTensor, missing: float | int | str) -> tf.Tensor:
    """Returns the values with shape [rows, 1], `missing` where a row has none."""
    if isinstance(values, tf.SparseTensor):
        column = tf.SparseTensor(values.indices, values.values, [values.dense_shape[0], 1])
        values = tf.sparse.to_dense(column, tf.constant(missing, values.dtype))
    return tf.reshape(values, [-1, 1])
'''
_LABEL_CLASS = '''
def _label(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Returns the name of each row's class; rows with an empty one are left out of the training."""
    return _string(values)
'''
_LABEL_SPELLINGS = '''
def _label(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Returns the name of each row's class; rows with an empty one are left out of the training."""
    names = _dense(values, "")
    for spelling, name in features.LABEL_SPELLINGS.items():
        names = tf.where(names == spelling, name, names)
    return names
'''
_LABEL_NUMBER = '''
def _label(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Returns the number of each row; those without one are left out of the training."""
    return _dense(tf.cast(values, tf.float32), float("nan"))
'''


def _functions(design: Design) -> Iterator[str]:
    is_class = design.label.task != "regression"
    yield _LABEL_NUMBER if not is_class else _LABEL_SPELLINGS if design.label.spellings else _LABEL_CLASS
    if design.of("number", "log number"):
        yield _SCALE
    if design.of("log number"):
        yield _LOG
    if design.gappy:
        yield _IS_MISSING
    if design.of("category", "large category"):
        yield _INDEX
    if design.of("text"):
        yield _WORDS
    if design.of("date"):
        yield _DATE
    needs_string = design.of("category", "large category", "date", "text") or (is_class and not design.label.spellings)
    if needs_string:
        yield _STRING.replace("features.MISSING", "tf.int64.min")
    yield _DENSE
