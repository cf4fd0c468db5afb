"""The text of preprocessing.py: only what the columns of a table need."""

from __future__ import annotations

from collections.abc import Iterator

from hilir.pipeline.project.design import Design
from hilir.pipeline.project.writing import date_code, text_code


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
        *text_code.read_texts(design),
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
    yield from text_code.write_functions(design, amounts=is_amount)
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
