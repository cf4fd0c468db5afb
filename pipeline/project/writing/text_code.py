"""The text of the functions of preprocessing.py that read numbers and tags from texts."""

from __future__ import annotations

from collections.abc import Iterator

from hilir.pipeline.project.columns.amounts import FALSE, TRUE
from hilir.pipeline.project.design import Design

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
_MEASURE = '''
def _measure(values: tf.Tensor | tf.SparseTensor, units: dict[str, float]) -> tf.SparseTensor:
    """Returns the sum of the numbers in each text, each times its unit."""
    text = tf.strings.lower(tf.strings.strip(_dense(values, "")), "utf-8")
{clock}    text = tf.strings.regex_replace(text, r"^[$€£¥₹]\\s*", "")
    text = tf.strings.regex_replace(text, r"(\\d),(\\d)", r"\\1.\\2")
    number, names = r"(\\d+(?:\\.\\d+)?)\\s*", "|".join(sorted(units, key=len, reverse=True))
    there = tf.strings.regex_full_match(text, rf"(?:{number}(?:{names})[\\s,]*)+")
    total = tf.zeros_like(text, tf.float32)
    for unit, size in units.items():
        end = r"(?:[\\s,]*|[\\s,]*\\d.*)$" if unit else "$"
        pattern = rf"^(?:.*[^\\d.])?{number}{unit}{end}"
        has = tf.strings.regex_full_match(text, pattern)
        found = tf.where(has, tf.strings.regex_replace(text, pattern, r"\\1"), "0")
        total += size * tf.strings.to_number(found)
    return tf.SparseTensor(tf.where(there), tf.boolean_mask(total, there), tf.shape(there, out_type=tf.int64))
'''
_CLOCK = """    text = tf.strings.regex_replace(text, r"^(\\d+):(\\d\\d):(\\d\\d(?:\\.\\d+)?)$", r"\\1h\\2m\\3s")
    text = tf.strings.regex_replace(text, r"^(\\d+):(\\d\\d(?:\\.\\d+)?)$", r"\\1m\\2s")
"""
_SPLIT = '''
def _split(values: tf.Tensor | tf.SparseTensor, mark: str) -> tf.SparseTensor:
    """Returns the tags of each text."""
    text = tf.strings.regex_replace(_dense(values, "")[:, 0], r"[\\[\\]{}\\"']", "")
    tags = tf.ragged.map_flat_values(tf.strings.strip, tf.strings.split(text, mark))
    return tf.ragged.boolean_mask(tags, tags != "").to_sparse()
'''
_NUMBERS = '''
def _numbers(values: tf.Tensor | tf.SparseTensor) -> tf.SparseTensor:
    """Returns the numbers of each text."""
    text = tf.strings.regex_replace(_dense(values, "")[:, 0], r"[^0-9.+-]+", " ")
    parts = tf.strings.split(text)
    is_number = tf.ragged.map_flat_values(tf.strings.regex_full_match, parts, r"[+-]?\\d+(\\.\\d+)?")
    return tf.ragged.map_flat_values(tf.strings.to_number, tf.ragged.boolean_mask(parts, is_number)).to_sparse()
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


def write_functions(design: Design, *, amounts: bool) -> Iterator[str]:
    """Yields the functions that the columns need, or the label if that is one of the `amounts`."""
    if design.amounts or amounts:
        yield _AMOUNT
    if design.measures:
        yield _MEASURE.replace("{clock}", _CLOCK if any(each.format == "clock" for each in design.measures) else "")
    if design.separated:
        yield _SPLIT
    if design.number_texts:
        yield _NUMBERS
    if design.booleans:
        yield _BOOLEAN.replace("{yes}", "|".join(TRUE)).replace("{no}", "|".join(FALSE))


def read_texts(design: Design) -> Iterator[str]:
    """Yields the lines of preprocessing_fn that call them."""
    if design.amounts:
        yield "    inputs = inputs | {name: _amount(inputs[name], mark) for name, mark in features.AMOUNTS.items()}"
    if design.measures:
        yield "    measures = features.MEASURES.items()"
        yield "    inputs = inputs | {name: _measure(inputs[name], units) for name, units in measures}"
    if design.booleans:
        yield "    inputs = inputs | {name: _boolean(inputs[name]) for name in features.BOOLEANS}"
    if design.separated:
        yield "    inputs = inputs | {name: _split(inputs[name], mark) for name, mark in features.SEPARATORS.items()}"
    if design.number_texts:
        yield "    inputs = inputs | {name: _numbers(inputs[name]) for name in features.NUMBER_TEXTS}"
