"""What is refused before anything heavy is imported."""

import subprocess
import sys

import pytest

from hilir.pipeline.cli.main import _run

NODES = (
    "ExampleGen, StatisticsGen, SchemaGen, LastPush, ExampleValidator, DataGate, Transform, Preflight, Trainer, "
    "LatestBlessed, Evaluator, TFLiteExporter, Pusher"
)
SETTINGS = ["--set", "export.tflite.variants=[float32]", "--set", "export.tfjs.variants=[]"]


def test_unknown_nodes_are_refused_without_importing_tfx(tmp_path):
    roots = [f"{key}={tmp_path}/out" for key in ("pipeline.root", "pipeline.runs", "serving.root")]
    places = [part for root in roots for part in ("--set", root)]
    arguments = ["run", "configs/taxi.yaml", *SETTINGS, *places, "--from", "Foo", "--to", "Trainr", "--to", "Trainer"]
    program = (
        "import sys\n"
        "from hilir.pipeline.cli.main import _run\n"
        f"code = _run({arguments})\n"
        "print(code, [name for name in ('tensorflow', 'tfx', 'apache_beam', 'ml_metadata') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "3 []"
    assert done.stderr.splitlines() == [
        f"hilir: --from Foo: there is no such node; the nodes are {NODES}",
        f"--to Trainr: there is no such node; the nodes are {NODES}",
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_each_of_the_two_options_is_checked(capsys, option):
    assert _run(["run", "configs/digits.yaml", option, "Tuner"]) == 3
    assert f"{option} Tuner: there is no such node" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "config", "uncached"),
    [
        (["--no-cache", "my.yaml"], "my.yaml", ("",)),
        (["my.yaml", "--no-cache"], "my.yaml", ("",)),
        (["--no-cache", "Trainer", "my.yaml"], "my.yaml", ("Trainer",)),
        (["my.yaml", "--no-cache", "Trainer", "--no-cache", "Pusher"], "my.yaml", ("Trainer", "Pusher")),
        (["my.yaml", "--no-cache", "--json"], "my.yaml", ("",)),
        (["my.yaml"], "my.yaml", ()),
    ],
)
def test_no_cache_takes_a_node_and_never_the_configuration(words, config, uncached):
    from hilir.pipeline.cli.run.run import run

    parsed = run.make_context("run", words).params
    assert (parsed["config"], parsed["uncached"]) == (config, uncached)


def test_the_only_configuration_here_need_not_be_named(tmp_path, monkeypatch):
    from hilir.pipeline.cli.run.run import run

    (tmp_path / "my.yaml").write_text("model: {name: mine, package: mine}\n")
    monkeypatch.chdir(tmp_path)
    assert run.make_context("run", []).params["config"] == "my.yaml"
