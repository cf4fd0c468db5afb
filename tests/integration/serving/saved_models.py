"""Small SavedModels for the server's tests, made with tf.Module: no training pipeline, a second for all of them."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


def _build_v1(path: Path, build) -> None:
    """A TF1 SavedModel: signatures with method names, as TensorFlow Serving's own test models have them."""
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        signatures = build()
        session.run(tf.compat.v1.global_variables_initializer())
        builder = tf.compat.v1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


def _signature(inputs: dict, outputs: dict, method: str):
    infos = [
        {name: tf.compat.v1.saved_model.build_tensor_info(tensor) for name, tensor in side.items()}
        for side in (inputs, outputs)
    ]
    return tf.compat.v1.saved_model.build_signature_def(*infos, method)


def half_plus(path: Path, offset: float, fails_at: float | None = None) -> None:
    """y = 0.5 x + offset, with the signatures of the half_plus_two model in TensorFlow Serving's tests.

    `fails_at` is an x for which the graph has no answer but an error.
    """

    def build():
        half = tf.compat.v1.get_variable("a", initializer=0.5)
        plus = tf.compat.v1.get_variable("b", initializer=offset)
        examples = tf.compat.v1.placeholder(tf.string, [None], name="tf_example")
        parsed = tf.io.parse_example(
            examples, {"x": tf.io.FixedLenFeature([1], tf.float32), "x2": tf.io.FixedLenFeature([1], tf.float32, [0.0])}
        )
        x = tf.identity(parsed["x"], name="x")
        x2 = tf.identity(parsed["x2"], name="x2")
        checks = [] if fails_at is None else [tf.debugging.assert_none_equal(x, fails_at)]
        with tf.control_dependencies(checks):
            y = tf.identity(half * x + plus, name="y")
        y3 = tf.identity(half * x2 + 3.0, name="y3")
        return {
            "serving_default": _signature({"x": x}, {"y": y}, "tensorflow/serving/predict"),
            "regress_x_to_y": _signature({"inputs": examples}, {"outputs": y}, REGRESS),
            "classify_x_to_y": _signature({"inputs": examples}, {"scores": y}, CLASSIFY),
            "regress_x2_to_y3": _signature({"inputs": x2}, {"outputs": y3}, REGRESS),
        }

    _build_v1(path, build)


class Shapes(tf.Module):
    """Signatures of all kinds: several inputs and outputs, strings, scalars, ragged outputs, classes."""

    def __init__(self):
        super().__init__()
        self.count = tf.Variable(0.0)

    def signatures(self):  # noqa: C901 - a list of small functions
        def spec(shape, dtype, name):
            return tf.TensorSpec(shape, dtype, name=name)

        @tf.function(input_signature=[spec([None], tf.float32, "a"), spec([None, 2], tf.int32, "b")])
        def two(a, b):
            return {"sum": a + tf.cast(tf.reduce_sum(b, 1), tf.float32), "b": b}

        @tf.function(input_signature=[spec(None, tf.string, "text")])
        def strings(text):
            return {"text": text, "text_bytes": text}

        @tf.function(input_signature=[spec(None, tf.float32, "x")])
        def same(x):
            return {"x": x}

        @tf.function(input_signature=[spec([None], tf.float32, "x")])
        def total(x):
            return {"total": tf.reduce_sum(x)}

        @tf.function(input_signature=[spec([None], tf.float32, "x")])
        def uneven(x):
            return {"x": x, "first": x[:1]}

        @tf.function(input_signature=[spec([None], tf.float32, "x")])
        def half(x):
            return {"half": tf.cast(x, tf.float16)}

        @tf.function(input_signature=[spec([None], tf.string, "inputs")])
        def classes(inputs):
            rows = tf.shape(inputs)[0]
            return {
                "classes": tf.tile([["cat", "dog"]], [rows, 1]),
                "scores": tf.tile([[0.25, 0.75]], [rows, 1]),
            }

        @tf.function(input_signature=[spec([None], tf.int64, "n")])
        def slow(n):
            steps = tf.reduce_max(n) * 1_000
            done = tf.while_loop(
                lambda i, _: i < steps, lambda i, v: (i + 1, tf.sin(v) + 1.0), [tf.constant(0, tf.int64), 0.0]
            )
            return {"n": n, "value": tf.fill(tf.shape(n), done[1])}

        @tf.function(input_signature=[spec([None, 4], tf.float32, "x")])
        def matrix(x):
            return {"y": tf.matmul(x, tf.ones([4, 2]))}

        @tf.function(input_signature=[])
        def add():
            return {"count": self.count.assign_add(1.0)}

        dtypes = {}
        for dtype in (
            tf.float64,
            tf.int8,
            tf.uint8,
            tf.int16,
            tf.int32,
            tf.int64,
            tf.uint32,
            tf.uint64,
            tf.bool,
            tf.half,
        ):

            @tf.function(input_signature=[spec(None, dtype, "x")])
            def echo(x):
                return {"x": tf.identity(x)}

            dtypes[f"echo_{dtype.name}"] = echo
        return {
            "serving_default": two,
            "strings": strings,
            "same": same,
            "total": total,
            "uneven": uneven,
            "half": half,
            "classes": classes,
            "slow": slow,
            "matrix": matrix,
            "add": add,
            **dtypes,
        }


def shapes(path: Path) -> None:
    """The model with signatures of all kinds."""
    module = Shapes()
    tf.saved_model.save(module, str(path), signatures=module.signatures())


def digits(path: Path, seed: int = 0) -> None:
    """A 64-300-100-10 network on scikit-learn's digits, trained for a second."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    module = Digits(seed)
    x, y = tf.constant(images / 16.0, tf.float32), tf.constant(labels)
    step = tf.function(module.step)
    for _ in range(60):
        step(x, y)
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})


class Digits(tf.Module):
    """The chapter's dense network."""

    def __init__(self, seed: int):
        super().__init__()
        random = np.random.default_rng(seed)
        sizes = [(64, 300), (300, 100), (100, 10)]
        self.weights = [tf.Variable(random.normal(0, (2 / n) ** 0.5, (n, m)).astype(np.float32)) for n, m in sizes]
        self.biases = [tf.Variable(np.zeros(m, np.float32)) for _, m in sizes]
        self.velocity = [tf.Variable(tf.zeros_like(v)) for v in [*self.weights, *self.biases]]

    def logits(self, x):
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ weight + bias
            x = tf.nn.relu(x) if index < 2 else x
        return x

    def step(self, x, y):
        variables = [*self.weights, *self.biases]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, self.logits(x)))
        for variable, velocity, gradient in zip(variables, self.velocity, tape.gradient(loss, variables), strict=True):
            velocity.assign(0.9 * velocity + gradient)
            variable.assign_sub(0.1 * velocity)

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8], tf.float32, name="image")])
    def serve(self, image):
        return {"probabilities": tf.nn.softmax(self.logits(tf.reshape(image, [-1, 64]) / 16.0))}


def broken(path: Path) -> None:
    """A directory that is no SavedModel."""
    path.mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"not a model")


def write_all(root):
    """Writes one model of each kind below `root`, each at a base path of its own; returns `root`."""
    half_plus(root / "half_plus_two" / "00000123", 2.0)
    half_plus(root / "half_plus_two_2_versions" / "00000123", 2.0)
    half_plus(root / "half_plus_two_2_versions" / "00000124", 2.0)
    half_plus(root / "half_plus_three" / "00000123", 3.0)
    shapes(root / "shapes" / "1")
    digits(root / "digits" / "1")
    broken(root / "broken" / "1")
    return root
