"""Readers of artifacts, on the protocol buffers that TFX writes."""

from __future__ import annotations

import json
import math
from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from hilir.pipeline.report.artifacts.anomalies import read_anomalies
from hilir.pipeline.report.artifacts.statistics import count_features, finite, read_statistics


def write_statistics(folder: Path, split: str, rows: int) -> None:
    found = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = found.datasets.add(num_examples=rows)
    number = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.FLOAT)
    number.path.step.append("fare")
    stats = number.num_stats
    stats.common_stats.num_non_missing = rows - 2
    stats.mean, stats.std_dev, stats.min, stats.median, stats.max = 2.5, 1.0, 0.0, 2.0, math.inf
    for kind in (statistics_pb2.Histogram.QUANTILES, statistics_pb2.Histogram.STANDARD):
        histogram = stats.histograms.add(type=kind)
        histogram.buckets.add(low_value=0.0, high_value=2.0, sample_count=3.0)
        histogram.buckets.add(low_value=2.0, high_value=4.0, sample_count=1.0)
    words = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.STRING)
    words.path.step.append("payment")
    words.string_stats.common_stats.num_non_missing = rows
    words.string_stats.common_stats.tot_num_values = rows
    words.string_stats.unique = 12
    for number_of in range(12):
        words.string_stats.rank_histogram.buckets.add(label=f"w{number_of}", sample_count=float(12 - number_of))
    empty = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.BYTES)
    empty.path.step.append("nothing")
    path = folder / f"Split-{split}" / "FeatureStats.pb"
    path.parent.mkdir(parents=True)
    path.write_bytes(found.SerializeToString())


def test_statistics_by_feature_and_split(tmp_path: Path) -> None:
    write_statistics(tmp_path, "eval", 50)
    write_statistics(tmp_path, "train", 100)
    found = read_statistics(str(tmp_path))
    assert found["splits"] == {"train": 100, "eval": 50}
    fare, payment, nothing = found["features"]
    assert fare["splits"]["train"] == {
        "rows": 100, "missing": 2, "mean": 2.5, "deviation": 1.0, "zeros": 0, "min": 0.0, "median": 2.0, "max": None,
        "histogram": {"edges": [0.0, 2.0, 4.0], "counts": [3.0, 1.0]},
    }  # fmt: skip
    assert payment["splits"]["eval"]["top"][:2] == [["w0", 12.0], ["w1", 11.0]]
    assert len(payment["splits"]["eval"]["top"]) == 10
    assert payment["splits"]["train"]["other"] == 100 - sum(range(3, 13))
    assert nothing["splits"]["train"] == {"rows": 100, "missing": 100}
    assert count_features(str(tmp_path)) == 3
    json.dumps(found, allow_nan=False)


def test_nothing_is_known_where_there_are_no_statistics(tmp_path: Path) -> None:
    assert read_statistics(str(tmp_path / "none")) == {"splits": {}, "features": []}
    assert count_features(str(tmp_path)) is None
    assert [finite(math.nan), finite(-math.inf), finite(1 / 3)] == [None, None, 0.333333]


def test_anomalies_name_split_feature_and_severity(tmp_path: Path) -> None:
    found = anomalies_pb2.Anomalies()
    found.anomaly_info["fare"].severity = anomalies_pb2.AnomalyInfo.ERROR
    found.anomaly_info["fare"].short_description = "Out-of-range values"
    found.anomaly_info["fare"].description = "Unexpectedly high: 1 > 0"
    found.dataset_anomaly_info.severity = anomalies_pb2.AnomalyInfo.WARNING
    path = tmp_path / "Split-train" / "SchemaDiff.pb"
    path.parent.mkdir()
    path.write_bytes(found.SerializeToString())
    lines = read_anomalies(str(tmp_path), {"split_names": '["train"]'})
    assert [(line["feature"], line["severity"]) for line in lines] == [("", "warning"), ("fare", "error")]
    assert lines[1]["what"] == "Out-of-range values"
