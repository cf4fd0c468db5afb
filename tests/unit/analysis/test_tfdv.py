"""Our numbers are those of TensorFlow Data Validation, computed by itself from the same histograms."""

from __future__ import annotations

import numpy as np
import pytest

from hilir.analysis.tfdv import Histogram, jensen_shannon, largest_difference, make_histogram

RNG = np.random.default_rng(23)
NUMBERS = {
    "normal": (RNG.normal(size=3000), RNG.normal(0.5, 1, 700)),
    "same": (RNG.normal(size=3000), RNG.normal(size=3000)),
    "heavy": (RNG.lognormal(sigma=1.5, size=3000), RNG.lognormal(sigma=1.5, size=500)),
    "outlier": (RNG.normal(size=3000), np.append(RNG.normal(size=999), 1e6)),
    "missing": (np.append(RNG.normal(size=500), [np.nan] * 50), np.append(RNG.normal(size=500), [np.nan] * 90)),
    "constant": (np.full(400, 5.0), RNG.normal(5, 1, 400)),
    "apart": (RNG.uniform(0, 1, 400), RNG.uniform(3, 4, 400)),
    "integers": (RNG.integers(0, 10, 2000).astype(float), RNG.integers(2, 12, 400).astype(float)),
}


@pytest.fixture(scope="module")
def measured():
    """Name -> the statistics of both data sets, and the value that TFDV measured."""
    import pandas as pd
    import tensorflow_data_validation as tfdv
    from tensorflow_metadata.proto.v0 import schema_pb2

    found = {}
    for name, samples in NUMBERS.items():
        before, now = (tfdv.generate_statistics_from_dataframe(pd.DataFrame({"x": values})) for values in samples)
        schema = tfdv.infer_schema(before)
        tfdv.get_feature(schema, "x").drift_comparator.jensen_shannon_divergence.threshold = 0.0
        (info,) = tfdv.validate_statistics(now, schema, previous_statistics=before).drift_skew_info
        found[name] = before, now, info.drift_measurements[0].value
    assert schema_pb2
    return found


def read(statistics) -> Histogram:
    (feature,) = statistics.datasets[0].features
    (histogram,) = (each for each in feature.num_stats.histograms if each.type == each.STANDARD)
    buckets = [(bucket.low_value, bucket.high_value, bucket.sample_count) for bucket in histogram.buckets]
    return Histogram(buckets, histogram.num_nan)


@pytest.mark.parametrize("name", NUMBERS)
def test_the_divergence_is_that_of_tfdv(measured, name):
    before, now, value = measured[name]
    assert jensen_shannon(read(before), read(now)) == pytest.approx(value, abs=1e-9)


def test_the_distance_of_categories_is_that_of_tfdv():
    import pandas as pd
    import tensorflow_data_validation as tfdv

    samples = [RNG.choice(["a", "b", "c", "d"], 900, p=shares) for shares in ([0.5, 0.3, 0.2, 0], [0.4, 0.3, 0.1, 0.2])]
    before, now = (tfdv.generate_statistics_from_dataframe(pd.DataFrame({"x": values})) for values in samples)
    schema = tfdv.infer_schema(before)
    tfdv.get_feature(schema, "x").drift_comparator.infinity_norm.threshold = 0.0
    (info,) = tfdv.validate_statistics(now, schema, previous_statistics=before).drift_skew_info
    counts = [dict(zip(*np.unique(sample, return_counts=True), strict=True)) for sample in samples]
    value, distance = largest_difference(*counts)
    assert distance == pytest.approx(info.drift_measurements[0].value, abs=1e-9)
    assert value == "d"


def test_our_own_histogram_has_ten_buckets_between_the_ends():
    found = make_histogram(np.append(np.arange(101.0), np.nan))
    assert [bucket[2] for bucket in found.buckets] == [10] * 9 + [11]
    assert (found.buckets[0][0], found.buckets[-1][1], found.nan) == (0, 100, 1)
    assert make_histogram(np.array([3.0, 3.0])).buckets == ((3.0, 3.0, 2.0),)
    assert make_histogram(np.array([np.nan])) == Histogram((), 1)


def test_empty_histograms_are_refused():
    with pytest.raises(ValueError, match="empty histogram"):
        jensen_shannon(Histogram(()), Histogram(((0, 1, 1),)))
    with pytest.raises(ValueError, match="empty counts"):
        largest_difference({}, {"a": 1})
