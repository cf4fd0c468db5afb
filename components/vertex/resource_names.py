"""The forms that names have on Google Cloud: accounts, networks, keys, accelerators."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator

# https://cloud.google.com/iam/docs/service-account-types: a user's own, and the default ones of Google's services.
_SERVICE_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9-]*@([a-z0-9-]+\.)+gserviceaccount\.com")
# CustomJobSpec.network (google/cloud/aiplatform/v1/custom_job.proto): the project is a number.
_NETWORK = re.compile(r"projects/[0-9]+/global/networks/[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
# https://cloud.google.com/dataflow/docs/guides/specifying-networks: a complete address, or the end of one.
_SUBNETWORK = re.compile(
    r"(https://www\.googleapis\.com/compute/v1/projects/[^/\s]+/)?regions/[a-z0-9-]+/subnetworks/[a-z0-9-]{1,63}"
)
# EncryptionSpec.kms_key_name in google/cloud/aiplatform/v1/encryption_spec.proto
_KEY = re.compile(r"projects/[^/\s]+/locations/([a-z0-9-]+)/keyRings/[\w-]{1,63}/cryptoKeys/[\w-]{1,63}")
# The enumeration AcceleratorType in google/cloud/aiplatform/v1/accelerator_type.proto
ACCELERATORS = (
    "NVIDIA_TESLA_K80",
    "NVIDIA_TESLA_P100",
    "NVIDIA_TESLA_V100",
    "NVIDIA_TESLA_P4",
    "NVIDIA_TESLA_T4",
    "NVIDIA_TESLA_A100",
    "NVIDIA_A100_80GB",
    "NVIDIA_L4",
    "NVIDIA_H100_80GB",
    "NVIDIA_H100_MEGA_80GB",
    "NVIDIA_H200_141GB",
    "NVIDIA_B200",
    "NVIDIA_GB200",
    "NVIDIA_RTX_PRO_6000",
    "TPU_V2",
    "TPU_V3",
    "TPU_V4_POD",
    "TPU_V5_LITEPOD",
)


def check_service_account(name: str) -> str:
    """Returns the name of a service account.

    Raises:
        ValueError: it is not an address of one.
    """
    return _require(_SERVICE_ACCOUNT, name, "the address of a service account", "NAME@PROJECT.iam.gserviceaccount.com")


def check_network(name: str) -> str:
    """Returns the name of a network.

    Raises:
        ValueError: it is not the full name.
    """
    form = "projects/NUMBER/global/networks/NAME, where NUMBER is the project's number"
    return _require(_NETWORK, name, "the full name of a network", form)


def check_subnetwork(name: str) -> str:
    """Returns the name of a subnetwork.

    Raises:
        ValueError: it is not a name that Dataflow takes.
    """
    form = (
        "regions/REGION/subnetworks/NAME, or for another project "
        "https://www.googleapis.com/compute/v1/projects/PROJECT/regions/REGION/subnetworks/NAME"
    )
    return _require(_SUBNETWORK, name, "the full name of a subnetwork", form)


def check_encryption_key(name: str) -> str:
    """Returns the name of a key.

    Raises:
        ValueError: it is not the full name.
    """
    form = "projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/NAME"
    return _require(_KEY, name, "the full name of a key", form)


def _require(pattern: re.Pattern[str], name: str, what: str, form: str) -> str:
    if not pattern.fullmatch(name):
        raise ValueError(f"'{name}' is not {what}; give one of the form {form}")
    return name


def region_of_key(name: str) -> str:
    """Returns the region of a key whose name has been checked."""
    found = _KEY.fullmatch(name)
    assert found is not None
    return found.group(1)


def check_accelerator(name: str) -> str:
    """Returns the type of an accelerator.

    Raises:
        ValueError: Vertex AI does not have it.
    """
    if name in ACCELERATORS:
        return name
    asked = name.upper().replace("-", "_")
    close = [f"'{known}'" for known in ACCELERATORS if f"_{asked}" in known]
    close = close or [f"'{known}'" for known in get_close_matches(asked, ACCELERATORS, n=1)]
    remedy = f"did you mean {' or '.join(close)}?" if close else f"the types are {', '.join(ACCELERATORS)}"
    raise ValueError(f"'{name}' is not a type of accelerator on Vertex AI; {remedy}")


ServiceAccount = Annotated[str, AfterValidator(check_service_account)]
Network = Annotated[str, AfterValidator(check_network)]
Subnetwork = Annotated[str, AfterValidator(check_subnetwork)]
EncryptionKey = Annotated[str, AfterValidator(check_encryption_key)]
Accelerator = Annotated[str, AfterValidator(check_accelerator)]
