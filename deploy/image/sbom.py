"""Prints the software bill of materials of environments and of Debian's packages as CycloneDX 1.6 JSON.

`python sbom.py ENVIRONMENT…`; only the standard library, since it runs inside the image's build.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

# https://cyclonedx.org/docs/1.6/json/
_FORMAT = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}


def list_python(environment: Path) -> Iterator[dict[str, Any]]:
    """Yields a component for each distribution in the environment."""
    for file in sorted(environment.glob("lib/python*/site-packages/*.dist-info/METADATA")):
        yield _python_component(HeaderParser().parsestr(file.read_text(encoding="utf-8")), environment.name)


def list_debian() -> Iterator[dict[str, Any]]:
    """Yields a component for each installed Debian package; none where there is no dpkg."""
    try:
        done = subprocess.run(
            ["dpkg-query", "--show", "--showformat", "${Package}\t${Version}\t${Architecture}\n"],
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError:
        return
    for line in done.stdout.splitlines():
        name, version, architecture = line.split("\t")
        purl = f"pkg:deb/debian/{name}@{version}?arch={architecture}"
        yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def describe(environments: list[Path]) -> dict[str, Any]:
    """Returns the bill: every component once, with the environments that hold it."""
    components: dict[str, dict[str, Any]] = {}
    for component in [each for environment in environments for each in list_python(environment)] + list(list_debian()):
        known = components.setdefault(component["bom-ref"], component)
        if known is not component:
            known["properties"] += component["properties"]
    product = {"type": "container", "name": "hilir", "bom-ref": "hilir"}
    return _FORMAT | {"metadata": {"component": product}, "components": list(components.values())}


def _python_component(metadata: Message, environment: str) -> dict[str, Any]:
    # https://packaging.python.org/en/latest/specifications/name-normalization/
    name = re.sub(r"[-_.]+", "-", metadata["Name"]).lower()
    purl = f"pkg:pypi/{name}@{metadata['Version']}"
    component = {
        "type": "library",
        "bom-ref": purl,
        "name": metadata["Name"],
        "version": metadata["Version"],
        "purl": purl,
        "properties": [{"name": "hilir:environment", "value": environment}],
    }
    licence = _licence(metadata)
    return component | ({"licenses": [licence]} if licence else {})


def _licence(metadata: Message) -> dict[str, Any] | None:
    if metadata["License-Expression"]:
        return {"expression": metadata["License-Expression"]}
    classifiers = [text for text in metadata.get_all("Classifier", []) if text.startswith("License :: ")]
    if classifiers:
        return {"license": {"name": classifiers[0].rpartition(" :: ")[2]}}
    # Some packages put the whole text of the licence there.
    short = (metadata["License"] or "").strip().split("\n")[0]
    return {"license": {"name": short[:100]}} if short else None


if __name__ == "__main__":
    json.dump(describe([Path(argument) for argument in sys.argv[1:]]), sys.stdout, indent=1)
