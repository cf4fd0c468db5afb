"""The text of the modules of a new package: only what its columns need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hilir.pipeline.project import date_code
from hilir.pipeline.project.amounts import FALSE, TRUE
from hilir.pipeline.project.dates import SECONDS, date_order
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
        if design.label.decimal:
            lines += ["# The decimal mark of its texts.", f"LABEL_MARK = {_quote(design.label.decimal)}"]
    lines += _sequence("NUMBERS", design.of("number"), "Scaled to mean 0 and deviation 1.")
    lines += _sequence("LOGARITHMS", design.of("log number"), "The same of log(1 + x).")
    lines += _sequence("INDICATORS", design.gappy, "Numbers whose absence tells something.")
    if design.amounts:
        lines += [
            "# Which of the numbers are texts with a unit, or with gaps in words, and their decimal mark.",
            "AMOUNTS = {",
        ]
        lines += [f"    {_quote(each.name)}: {_quote(each.format)}," for each in design.amounts]
        lines.append("}")
    lines += _sequence("BOOLEANS", design.booleans, "Which of the numbers are words for yes and no.")
    categories = design.of("category", "large category")
    if categories:
        lines += ["# How many different values the model knows of each; all others are one more.", "CATEGORIES = {"]
        lines += [f"    {_quote(each.name)}: {min(each.distinct, 1000)},{_comment(each)}" for each in categories]
        lines.append("}")
    dates = [each for each in design.of("date") if each not in design.epochs]
    if dates:
        lines += [f"# In which order the parts of dates are: {_explain_orders(dates)}.", "DATES = {"]
        lines += [f"    {_quote(each.name)}: {_quote(date_order(each.format))},{_comment(each)}" for each in dates]
        lines.append("}")
    if design.epochs:
        lines += ["# Times as numbers, and how many make a second.", "EPOCHS = {"]
        lines += [
            f"    {_quote(each.name)}: {1 if each.format == SECONDS else 1000},{_comment(each)}"
            for each in design.epochs
        ]
        lines.append("}")
    for name, columns, comment in (
        ("TAGS", design.of("tags"), "Lists of strings, and how many different ones the model knows."),
        ("VECTORS", design.of("vector"), "Lists of numbers, and how many each has."),
    ):
        if columns:
            lines += [f"# {comment}", f"{name} = {{"]
            lines += [
                f"    {_quote(each.name)}: {each.width or min(each.distinct, 100)},{_comment(each)}" for each in columns
            ]
            lines.append("}")
    lines += _sequence("TEXTS", design.of("text"), "Words, hashed.")
    left_out = [each for each in design.columns if not each.is_feature]
    if left_out:
        lines.append("# Left out:")
        lines += [f"#   {_quote(each.name)}: {each.kind}, {each.why}" for each in left_out]
    return "\n".join(lines) + "\n"


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
        *_read_texts(design),
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


def _read_texts(design: Design) -> Iterator[str]:
    if design.amounts:
        yield "    inputs = inputs | {name: _amount(inputs[name], mark) for name, mark in features.AMOUNTS.items()}"
    if design.booleans:
        yield "    inputs = inputs | {name: _boolean(inputs[name]) for name in features.BOOLEANS}"


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
    if len(design.of("date")) > len(design.epochs):
        yield "    for name, order in features.DATES.items():"
        yield "        numbers += _date(inputs[name], order)"
    if design.epochs:
        yield "    for name, second in features.EPOCHS.items():"
        yield "        numbers += _epoch(inputs[name], second)"
    if design.of("vector"):
        yield "    numbers += [_vector(inputs[name], width) for name, width in features.VECTORS.items()]"
    if design.of("tags"):
        yield "    sizes = features.TAGS.items()"
        yield "    numbers += [_tags(inputs[name], size, position) for position, (name, size) in enumerate(sizes)]"


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
"""
_INT_STRING = """    if values.dtype == tf.int64:
        number = _dense(values, tf.int64.min)
        return tf.where(number == tf.int64.min, "", tf.strings.as_string(number))
"""
_FLOAT_STRING = """    if values.dtype == tf.float32:
        return _string(tf.cast(values, tf.int64))
"""
_PLAIN_STRING = """    return tf.strings.strip(_dense(values, ""))
"""
_WORDS = '''
def _words(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Returns the first 50 words of each text as numbers from 1 to 4,096; 0 after its end."""
    texts = tf.strings.lower(_string(values)[:, 0])
    words = tf.strings.split(tf.strings.regex_replace(texts, r"[^\\pL\\pN]+", " "))
    hashed = tf.ragged.map_flat_values(lambda each: tf.strings.to_hash_bucket_fast(each, 4096) + 1, words)
    return tf.reshape(hashed.to_tensor(0, shape=[None, 50]), [-1, 50])
'''
_AMOUNT = '''
def _amount(values: tf.Tensor | tf.SparseTensor, mark: str) -> tf.SparseTensor:
    """Returns the number in each text, such as -1234.5 in `-1.234,50 €` where `mark` is a comma."""
    text = tf.strings.regex_replace(tf.strings.strip(_dense(values, "")), r"^([^(]*)\\((.*)\\)$|−", r"-\\1\\2")
    text = tf.strings.regex_replace(text, rf"\\pL+\\.?|[^0-9\\{mark}-]", "")
    text = tf.strings.regex_replace(text, rf"\\{mark}", ".")
    there = tf.strings.regex_full_match(text, r"-?(\\d+(\\.\\d+)?|\\.\\d+)")
    numbers = tf.strings.to_number(tf.boolean_mask(text, there))
    return tf.SparseTensor(tf.where(there), numbers, tf.shape(there, out_type=tf.int64))
'''
_BOOLEAN = '''
def _boolean(values: tf.Tensor | tf.SparseTensor) -> tf.SparseTensor:
    """Returns 1 for each yes and 0 for each no."""
    text = tf.strings.lower(tf.strings.strip(_dense(values, "")), "utf-8")
    yes = tf.strings.regex_full_match(text, "{yes}")
    there = yes | tf.strings.regex_full_match(text, "{no}")
    numbers = tf.cast(tf.boolean_mask(yes, there), tf.float32)
    return tf.SparseTensor(tf.where(there), numbers, tf.shape(there, out_type=tf.int64))
'''
_TAGS = '''
def _tags(values: tf.SparseTensor, size: int, position: int) -> tf.Tensor:
    """Returns which tags each row has, [rows, size + 1]: the most frequent ones, and any other."""
    indices = tft.compute_and_apply_vocabulary(values, top_k=size, num_oov_buckets=1, vocab_filename=f"tags_{position}")
    return tf.cast(tf.sparse.to_indicator(indices, size + 1), tf.float32)
'''
_VECTOR = '''
def _vector(values: tf.SparseTensor, width: int) -> tf.Tensor:
    """Returns the numbers of each list, each scaled by its place, [rows, width]; zeros where a row has none."""
    numbers = tf.RaggedTensor.from_sparse(tf.cast(values, tf.float32)).to_tensor(0.0, shape=[None, width])
    return tf.clip_by_value(tft.scale_to_z_score(tf.reshape(numbers, [-1, width]), elementwise=True), -5.0, 5.0)
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
_LABEL_AMOUNT = '''
def _label(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Returns the number in each text; rows without one are left out of the training."""
    return _dense(_amount(values, features.LABEL_MARK), float("nan"))
'''
_LABEL_NUMBER = '''
def _label(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Returns the number of each row; those without one are left out of the training."""
    return _dense(tf.cast(values, tf.float32), float("nan"))
'''


def _functions(design: Design) -> Iterator[str]:
    is_class = design.label.task != "regression"
    is_amount = bool(design.label.decimal) and not is_class
    yield (
        _LABEL_AMOUNT
        if is_amount
        else _LABEL_NUMBER
        if not is_class
        else _LABEL_SPELLINGS
        if design.label.spellings
        else _LABEL_CLASS
    )
    if design.of("number", "log number"):
        yield _SCALE
    if design.of("log number"):
        yield _LOG
    if design.gappy:
        yield _IS_MISSING
    if design.amounts or is_amount:
        yield _AMOUNT
    if design.booleans:
        yield _BOOLEAN.replace("{yes}", "|".join(TRUE)).replace("{no}", "|".join(FALSE))
    if design.of("category", "large category"):
        yield _INDEX
    if design.of("text"):
        yield _WORDS
    if design.of("date"):
        yield from date_code.write_functions(design)
    if design.of("tags"):
        yield _TAGS
    if design.of("vector"):
        yield _VECTOR
    has_dates = len(design.of("date")) > len(design.epochs)
    needs_string = (
        design.of("category", "large category", "text") or has_dates or (is_class and not design.label.spellings)
    )
    if needs_string:
        types = {each.type for each in design.of("category", "large category", "date")} | {design.label.type}
        is_int, is_float = bool(types & {"INT", "FLOAT"}), "FLOAT" in types
        yield _STRING + (_INT_STRING if is_int else "") + (_FLOAT_STRING if is_float else "") + _PLAIN_STRING
    yield _DENSE
