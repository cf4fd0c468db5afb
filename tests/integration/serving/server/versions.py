"""Versions that appear while a server serves, and what it says of them."""

import shutil


def publish(models, base, version, model="half_plus_two"):
    """Make a version appear by one rename, as the pusher does."""
    source = next(path for path in (models / model).iterdir())
    staged = base.parent / f"staged-{version}"
    shutil.copytree(source, staged)
    staged.rename(base / str(version))


def states(client, model="default"):
    return {
        int(entry["version"]): entry["state"]
        for entry in client.get(f"/v1/models/{model}").json()["model_version_status"]
    }


def message(client, version, model="default"):
    """The error message in the status of a version; nothing where the version is not known."""
    entries = client.get(f"/v1/models/{model}").json()["model_version_status"]
    return next((entry["status"]["error_message"] for entry in entries if int(entry["version"]) == version), "")


def predicts(client, path="default"):
    return client.post(f"{path}:predict", {"instances": [2.0]})
