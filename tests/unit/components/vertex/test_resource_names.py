"""The forms of names on Google Cloud: what the configuration takes, and what it says of anything else."""

from __future__ import annotations

import pytest
from google.cloud.aiplatform_v1 import AcceleratorType

from hilir.components.vertex.resource_names import ACCELERATORS
from hilir.pipeline.config import load
from hilir.pipeline.errors import ConfigError

ALL = ", ".join(ACCELERATORS)


@pytest.mark.parametrize(
    "setting",
    [
        "vertex.service_account=steps@my-project.iam.gserviceaccount.com",
        "vertex.service_account=123456789012-compute@developer.gserviceaccount.com",
        "vertex.push.service_account=my-project@appspot.gserviceaccount.com",
        "vertex.network=projects/123456789012/global/networks/my-vpc",
        "vertex.encryption_key=projects/my-project/locations/us-central1/keyRings/my_ring/cryptoKeys/my-key",
        "vertex.dataflow.subnetwork=regions/us-central1/subnetworks/inner",
        "vertex.dataflow.subnetwork="
        "https://www.googleapis.com/compute/v1/projects/host-project/regions/us-central1/subnetworks/inner",
        "vertex.batch.accelerator=NVIDIA_H100_80GB",
        "vertex.machines={Trainer: {accelerator: TPU_V3, accelerators: 8}}",
    ],
)
def test_right_forms_are_taken(setting: str) -> None:
    load("configs/digits.yaml", (), [setting])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "vertex.network=default",
            "--set vertex.network: vertex.network: 'default' is not the full name of a network; give one of the form "
            "projects/NUMBER/global/networks/NAME, where NUMBER is the project's number",
        ),
        (
            "vertex.network=projects/my-project/global/networks/default",
            "--set vertex.network: vertex.network: 'projects/my-project/global/networks/default' is not the full name "
            "of a network; give one of the form projects/NUMBER/global/networks/NAME, where NUMBER is the project's "
            "number",
        ),
        (
            "vertex.dataflow.subnetwork=inner",
            "--set vertex.dataflow.subnetwork: vertex.dataflow.subnetwork: 'inner' is not the full name of a "
            "subnetwork; give one of the form regions/REGION/subnetworks/NAME, or for another project "
            "https://www.googleapis.com/compute/v1/projects/PROJECT/regions/REGION/subnetworks/NAME",
        ),
        (
            "vertex.encryption_key=mykey",
            "--set vertex.encryption_key: vertex.encryption_key: 'mykey' is not the full name of a key; give one of "
            "the form projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/NAME",
        ),
        (
            "vertex.encryption_key=projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k",
            "--set vertex.encryption_key: vertex: encryption_key is in europe-west4 and region is us-central1; "
            "give a key in us-central1",
        ),
        (
            "vertex.service_account=notanaccount",
            "--set vertex.service_account: vertex.service_account: 'notanaccount' is not the address of a service "
            "account; give one of the form NAME@PROJECT.iam.gserviceaccount.com",
        ),
        (
            "vertex.push.service_account=me@gmail.com",
            "--set vertex.push.service_account: vertex.push.service_account: 'me@gmail.com' is not the address of a "
            "service account; give one of the form NAME@PROJECT.iam.gserviceaccount.com",
        ),
        (
            "vertex.machines={Trainer: {accelerator: T4}}",
            "--set vertex.machines: vertex.machines.Trainer.accelerator: 'T4' is not a type of accelerator on Vertex "
            "AI; did you mean 'NVIDIA_TESLA_T4'?",
        ),
        (
            "vertex.training.pools=[{machine_type: a3-highgpu-8g, accelerator: h100}]",
            "--set vertex.training.pools: vertex.training.pools[0].accelerator: 'h100' is not a type of accelerator "
            "on Vertex AI; did you mean 'NVIDIA_H100_80GB' or 'NVIDIA_H100_MEGA_80GB'?",
        ),
        (
            "vertex.tuning.accelerator=gpu",
            "--set vertex.tuning.accelerator: vertex.tuning.accelerator: 'gpu' is not a type of accelerator on Vertex "
            f"AI; the types are {ALL}",
        ),
    ],
)
def test_wrong_forms_are_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load("configs/digits.yaml", (), [setting])
    assert refusal.value.faults == (message,)


def test_accelerators_are_those_of_the_installed_client() -> None:
    assert tuple(kind.name for kind in AcceleratorType if kind.value) == ACCELERATORS
