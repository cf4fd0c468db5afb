"""A small real SavedModel with the signatures that the trainer writes, and rows for it."""

from __future__ import annotations

import numpy as np
import pytest

WORDS = ("Cash", "Credit Card", "naïve – 出租车", "x")
NUMBERS = (7, -3, 2**40)
BOUNDARIES = (-1.5, 0.0, 0.1, 41.8)
MISSING_INT = -(2**63)


def write_model(path, extra=None):
    """`extra`: a function of the parsed features that gives the transformed feature `extra`, [rows, 1] float32."""
    import tensorflow as tf

    spec = {
        "fare": tf.io.FixedLenFeature([1], tf.float32),
        "miles": tf.io.VarLenFeature(tf.float32),
        "seconds": tf.io.VarLenFeature(tf.int64),
        "payment": tf.io.VarLenFeature(tf.string),
        "area": tf.io.VarLenFeature(tf.int64),
        "tip": tf.io.FixedLenFeature([1], tf.int64),
    }
    served = [name for name in spec if name != "tip"]

    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.words = table(tf.constant(WORDS))
            self.areas = table(tf.constant(NUMBERS, tf.int64))
            random = np.random.default_rng(3)
            self.payments = tf.Variable(random.normal(size=[len(WORDS) + 2, 4]).astype(np.float32))
            self.areas_weights = tf.Variable(random.normal(size=[4, 1]).astype(np.float32))
            self.bucket_weights = tf.Variable(random.normal(size=[5, 1]).astype(np.float32))
            self.hidden = tf.Variable(random.normal(size=[9, 32]).astype(np.float32) / 3)
            self.out = tf.Variable(random.normal(size=[32, 1]).astype(np.float32) / 6)

        def transform(self, raw):
            fare = raw["fare"]
            miles = sparse((tf.math.log1p(tf.abs(raw["miles"].values)) - 0.3) / 1.7, raw["miles"], -1.0)
            seconds = sparse(tf.cast(raw["seconds"].values, tf.float32) * 0.001, raw["seconds"], 0.0)
            found = self.words.lookup(raw["payment"].values)
            words = tf.where(found >= 0, found, tf.constant(len(WORDS), tf.int64))
            areas = tf.clip_by_value(self.areas.lookup(raw["area"].values), 0, 2)
            bucket = tf.searchsorted(
                tf.constant([BOUNDARIES]), tf.reshape(fare, [1, -1]), side="right", out_type=tf.int64
            )
            return {
                "fare": (fare - 11.7) / tf.sqrt(100.8),
                "miles": miles,
                "seconds": tf.where(tf.not_equal(seconds, 0.0), seconds, -seconds + 0.5),
                "payment": sparse(words, raw["payment"], len(WORDS) + 1),
                "area": sparse(areas, raw["area"], 3),
                "bucket": tf.reshape(bucket, [-1, 1]),
            } | ({"extra": extra(raw)} if extra else {})

        def network(self, payment, area, bucket, fare, miles, seconds, extra=0.0):
            numbers = [fare + extra, miles, seconds, tf.gather(self.areas_weights, area[:, 0])]
            numbers += [tf.gather(self.bucket_weights, bucket[:, 0])]
            inputs = tf.concat([*numbers, tf.gather(self.payments, payment[:, 0])], axis=1)
            hidden = tf.nn.relu(tf.matmul(inputs, self.hidden))
            return {"probability": tf.sigmoid(tf.matmul(hidden, self.out))}

    model = Model()

    def examples(examples):
        return model.network(**model.transform(tf.io.parse_example(examples, {n: spec[n] for n in served})))

    def serve(fare, miles, seconds, payment, area):
        raw = {"fare": tf.reshape(fare, [-1, 1]), "miles": present(miles, tf.logical_not(tf.math.is_nan(miles)))}
        raw |= {"seconds": present(seconds, seconds != MISSING_INT), "area": present(area, area != MISSING_INT)}
        return model.network(**model.transform(raw | {"payment": present(payment, payment != "")}))

    def transform_features(examples):
        return model.transform(tf.io.parse_example(examples, spec))

    def label(examples):
        return {"tip": tf.io.parse_example(examples, spec)["tip"]}

    def spec_of(name, dtype, shape=(None, 1)):
        return tf.TensorSpec(shape, dtype, name)

    serialized = spec_of("examples", tf.string, [None])
    whole, fraction = tf.int64, tf.float32
    edge = {"payment": whole, "area": whole, "bucket": whole, "fare": fraction, "miles": fraction, "seconds": fraction}
    edge |= {"extra": fraction} if extra else {}
    raw = {"fare": fraction, "miles": fraction, "seconds": whole, "payment": tf.string, "area": whole}
    make = lambda function, **specs: tf.function(function).get_concrete_function(**specs)  # noqa: E731
    tf.saved_model.save(
        model,
        str(path),
        signatures={
            "examples": make(examples, examples=serialized),
            "serving_default": make(serve, **{n: spec_of(n, d, [None]) for n, d in raw.items()}),
            "transform_features": make(transform_features, examples=serialized),
            "label": make(label, examples=serialized),
            "edge": make(model.network, **{n: spec_of(n, d) for n, d in edge.items()}),
        },
    )
    return str(path)


def table(keys):
    import tensorflow as tf

    values = tf.range(len(keys), dtype=tf.int64)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), -1)


def sparse(values, like, missing):
    """[rows, 1], `missing` where a row has no value, as a preprocessing_fn writes it."""
    import tensorflow as tf

    found = tf.SparseTensor(like.indices, values, [like.dense_shape[0], 1])
    return tf.reshape(tf.sparse.to_dense(found, default_value=tf.cast(missing, values.dtype)), [-1, 1])


def present(values, mask):
    import tensorflow as tf

    rows = tf.where(mask)
    indices = tf.concat([rows, tf.zeros_like(rows)], axis=1)
    return tf.SparseTensor(indices, tf.gather_nd(values, rows), [tf.shape(values, out_type=tf.int64)[0], 1])


def make_columns(count, seed=0):
    """Raw rows by feature: every word and boundary, unknown words, missing values, extremes."""
    random = np.random.default_rng(seed)
    fares = [*map(float, np.float32(BOUNDARIES)), 0.0, -0.0, 3e3, -3e3, 1e-38]
    words = [*WORDS, "cash", "Cash ", "unknown", "出", None]
    numbers = [*NUMBERS, 0, -1, 2**40 + 1, None]

    def pick(values):
        return [values[i] for i in random.integers(0, len(values), count)]

    return {
        "fare": [float(np.float32(v)) for v in [*fares, *random.normal(12, 40, count)]][:count],
        "miles": [None if i % 7 == 3 else float(np.float32(v)) for i, v in enumerate(random.normal(0, 9, count))],
        "seconds": [None if i % 5 == 1 else int(v) for i, v in enumerate(random.integers(-3, 90000, count))],
        "payment": pick(words),
        "area": pick(numbers),
        "tip": pick([0, 1]),
    }


def to_examples(columns):
    import tensorflow as tf

    def feature(value):
        if value is None:
            return tf.train.Feature()
        if isinstance(value, str):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))

    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return tuple(
        tf.train.Example(
            features=tf.train.Features(feature={name: feature(v) for name, v in row.items() if v is not None})
        ).SerializeToString()
        for row in rows
    )


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """Path of the SavedModel."""
    return write_model(tmp_path_factory.mktemp("small") / "model")


@pytest.fixture(scope="session")
def columns():
    return make_columns(400)


@pytest.fixture(scope="session")
def rows(columns):
    from hilir.components.exporter.example_rows import Rows

    return Rows(to_examples(columns))


@pytest.fixture(scope="session")
def edge(small_model, tmp_path_factory):
    from hilir.components.exporter.edge_model import prepare

    return prepare(small_model, str(tmp_path_factory.mktemp("edge")))
