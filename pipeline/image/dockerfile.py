"""The Dockerfile of a project, and which packages hilir's own image has."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError

NAME = "Dockerfile"
_BASE = "FROM ${HILIR_IMAGE}"


def default_base() -> str:
    """Returns the name of hilir's own image of this version."""
    return f"hilir:{version('hilir')}"


def make_dockerfile() -> str:
    """Returns the Dockerfile of a project; `hilir image` sends it the package and the configuration only."""
    return f"ARG HILIR_IMAGE={default_base()}\n{_BASE}\nCOPY . /opt/hilir/\n"


def check_dockerfile(path: Path) -> None:
    """Checks that a Dockerfile builds on hilir's image.

    Raises:
        ConfigError: it does not.
    """
    if _BASE not in path.read_text(encoding="utf-8").splitlines():
        raise ConfigError(
            f"{path}: does not build on hilir's image, since it has no line '{_BASE}'; remove it, and this command "
            f"writes one (hilir's own image has its examples)"
        )


def find_lacking(config: Config) -> Iterator[str]:
    """Yields a sentence for each image of the steps that is hilir's own and so cannot have the model's package."""
    package, vertex = config.model.package, config.vertex
    if package is None or _is_example(package):
        return
    named = {"vertex.image": vertex.image}
    named |= {f"vertex.images.{step}": image for step, image in vertex.images.items()}
    named |= {f"vertex.training.pools[{at}].image": pool.image for at, pool in enumerate(vertex.training.pools)}
    for key, image in named.items():
        if image is not None and _is_own(image):
            yield (
                f"{key}: '{image}' is hilir's own image, which does not have the package '{package}'; "
                f"type 'hilir image --base {image} --tag {_suggest(image, config.model.name)}' and name that image"
            )


def _is_example(package: str) -> bool:
    top, _, name = package.partition(".")
    folder = files("hilir") / "examples" / top / name.partition(".")[0]
    return bool(name) and folder.is_dir()


def _split(image: str) -> tuple[str, str]:
    """Returns the image without tag and digest, and the tag."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{folder}{slash}{last}", tag


def _is_own(image: str) -> bool:
    return _split(image)[0].rpartition("/")[2] == "hilir"


def _suggest(image: str, model: str) -> str:
    name, tag = _split(image)
    return f"{name.removesuffix('hilir')}{model}:{tag or '1'}"
