"""Beam's pipelines on a cluster of Flink with two task managers, by the options that `beam.runner: flink` gives."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from threading import Thread

import apache_beam as beam
import pytest

from hilir.pipeline.config import load
from hilir.pipeline.engine.beam_options import list_run_options
from tests.flink.cluster import ROOT, Cluster, find_job_server, find_libraries
from tests.forking import run_hilir

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ROWS = 60


@pytest.fixture(scope="module")
def job_server() -> Path:
    found = find_job_server()
    if shutil.which("java") is None or not find_libraries():
        pytest.skip("there is no Java or no Flink; type 'make test-flink'")
    if found is None:
        pytest.skip("there is no job server of Beam's for Flink; name its file by HILIR_FLINK_JOB_SERVER")
    return found


@pytest.fixture
def cluster(tmp_path):
    found = Cluster(tmp_path / "cluster")
    yield found
    found.close()


def list_settings(cluster: Cluster, job_server: Path) -> list[str]:
    args = [f"--flink_master={cluster.address}", f"--flink_job_server_jar={job_server}"]
    return ["beam.runner=flink", "beam.workers=2", f"beam.args={json.dumps(args)}"]


def double(number: int) -> int:
    time.sleep(0.2)
    return 2 * number


def test_a_killed_task_manager_does_not_stop_a_job(cluster, job_server, tmp_path):
    killed = []

    def kill() -> None:
        def works() -> bool:
            jobs = [job for job in cluster.ask("jobs/overview")["jobs"] if job["state"] == "RUNNING"]
            killed.extend(job["jid"] for job in jobs if job["tasks"]["running"] >= 2)
            return bool(killed)

        cluster.wait(works)
        cluster.kill_task_manager()

    thread = Thread(target=kill)
    thread.start()
    options = list_run_options(load("configs/taxi.yaml", settings=list_settings(cluster, job_server)).config)
    with beam.Pipeline(argv=options) as pipeline:
        rows = pipeline | beam.Create(range(ROWS)) | beam.Reshuffle() | beam.Map(double)
        _ = rows | beam.CombineGlobally(sum) | beam.Map(str) | beam.io.WriteToText(str(tmp_path / "sum"))
    thread.join()
    (written,) = tmp_path.glob("sum-*")
    assert int(written.read_text()) == ROWS * (ROWS - 1)
    (job,) = cluster.ask("jobs/overview")["jobs"]
    assert (job["jid"], job["state"]) == (killed[0], "FINISHED")
    # Its first attempt failed.
    assert cluster.ask(f"jobs/{job['jid']}/exceptions")["exceptionHistory"]["entries"]


def run_taxi(folder: Path, *settings: str) -> Path:
    """Runs everything but the push; returns the folder of the outputs."""
    places = (f"pipeline.root={folder}/out", f"pipeline.runs={folder}/runs", f"serving.root={folder}/models")
    given = [part for each in (*places, *settings) for part in ("--set", each)]
    done = run_hilir(["run", "configs/taxi.yaml", "--to", "Evaluator", *given], cwd=ROOT, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out" / "taxi"


def read_examples(folder: Path) -> list[bytes]:
    """Returns the examples of a split in an order that does not depend on who wrote them."""
    import tensorflow as tf

    files = sorted(str(path) for path in folder.glob("*.gz"))
    examples = (
        tf.train.Example.FromString(record) for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    )
    return sorted(example.SerializeToString(deterministic=True) for example in examples)


def read_statistics(folder: Path) -> dict[str, dict[str, object]]:
    """Returns mean, deviation, quantiles' ends and counts of each column of a split."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    content = (folder / "FeatureStats.pb").read_bytes()
    (dataset,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(content).datasets
    found = {}
    for feature in dataset.features:
        numbers, texts = feature.num_stats, feature.string_stats
        common = numbers.common_stats if feature.HasField("num_stats") else texts.common_stats
        found[feature.path.step[0]] = {
            "rows": common.num_non_missing, "missing": common.num_missing, "mean": numbers.mean, "least": numbers.min,
            "greatest": numbers.max, "deviation": numbers.std_dev, "median": numbers.median, "unique": texts.unique,
        }  # fmt: skip
    return found


def read_evaluation(folder: Path) -> dict[str, dict[str, float]]:
    """Returns the metrics by slice."""
    from hilir.components.evaluator.results import read_metrics

    (uri,) = (folder / "Evaluator" / "evaluation").glob("*")
    metrics = read_metrics(str(uri))
    return {part: dict(metrics[part]) for part in sorted(metrics)}


@pytest.mark.timeout(1500)
def test_the_taxi_pipeline_is_what_it_is_on_one_machine_though_a_task_manager_is_killed(cluster, job_server, tmp_path):
    local = run_taxi(tmp_path / "local")
    killed = []

    def kill() -> None:
        def transforms() -> bool:
            # The one of the Transform is by far the largest.
            jobs = [job for job in cluster.ask("jobs/overview")["jobs"] if job["tasks"]["total"] > 300]
            killed.extend(job["jid"] for job in jobs if job["tasks"]["finished"] > 20)
            return bool(killed)

        cluster.wait(transforms, 900)
        cluster.kill_task_manager()

    thread = Thread(target=kill)
    thread.start()
    flink = run_taxi(tmp_path / "flink", *list_settings(cluster, job_server))
    thread.join()
    for part in ("ExampleGen/examples/*", "Transform/transformed_examples/*"):
        for split in ("Split-train", "Split-eval"):
            (here,), (there,) = (list(folder.glob(f"{part}/{split}")) for folder in (local, flink))
            examples = read_examples(here)
            assert len(examples) > 5000
            assert examples == read_examples(there), (part, split)
    for split in ("Split-train", "Split-eval"):
        (here,), (there,) = (list(folder.glob(f"StatisticsGen/statistics/*/{split}")) for folder in (local, flink))
        expected, found = read_statistics(here), read_statistics(there)
        assert len(expected) == 18
        assert set(found) == set(expected)
        for name, figures in expected.items():
            assert found[name] == pytest.approx(figures, rel=1e-9), name
    whole, there = (read_evaluation(folder)["overall"] for folder in (local, flink))
    # Rows come in another order, so that the training differs a little.
    assert there == pytest.approx(whole, abs=0.02)
    assert list(read_evaluation(flink)) == list(read_evaluation(local))
    states = {job["jid"]: job["state"] for job in cluster.ask("jobs/overview")["jobs"]}
    assert set(states.values()) == {"FINISHED"}
    assert len(states) >= 5
    assert cluster.ask(f"jobs/{killed[0]}/exceptions")["exceptionHistory"]["entries"]
