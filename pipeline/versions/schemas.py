"""Schemas of the data: where they are, how they are shown, and in what two of them differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hilir.components.missing import list_filled
from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.versions.catalogue import list_versions, open_root

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Feature, Schema

_SHOWN_VALUES = 8


def find_schema(config: Config, name: str | None) -> Path:
    """Returns the path of a schema.

    Args:
        config: says what the model is, and where its versions are.
        name: a file, or the number of a version; None: what the next data is checked against, which is schema.path,
            else the schema of the newest version.

    Raises:
        ConfigError: there is none.
    """
    if name is None and config.schema_.path is not None:
        name = config.schema_.path
    if name is not None and not name.isdigit():
        return _require(Path(name), "give the path of a schema, or the number of a version")
    folder = open_root(config.serving.root) / config.model.name
    found = [version for version in list_versions(folder) if name is None or version.number == int(name)]
    if not found:
        wanted = f"version {name}" if name else "pushed version"
        raise ConfigError(f"{folder}: there is no {wanted} whose schema could be read; type 'hilir run' first")
    return _require(
        found[0].folder / "assets.extra" / "schema.pbtxt",
        f"version {found[0].number} was pushed without a schema; a version that is pushed now has one",
    )


def list_numbers(config: Config) -> list[str]:
    """Returns the numbers of the versions, the newest first.

    Raises:
        ConfigError: nothing has been pushed yet.
    """
    folder = open_root(config.serving.root) / config.model.name
    versions = list_versions(folder)
    if not versions:
        raise ConfigError(f"{folder}: nothing has been pushed yet; type 'hilir run' first")
    return [str(version.number) for version in versions]


def _require(path: Path, remedy: str) -> Path:
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file; {remedy}")
    return path


def read_schema(path: Path) -> Schema:
    """Returns the schema in a file.

    Raises:
        ConfigError: the file is not a schema.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not a schema (text proto): {error}; correct it") from None


def describe(schema: Schema) -> dict[str, str]:
    """Returns in words what is expected of each column."""
    domains = {domain.name: list(domain.value) for domain in schema.string_domain}
    filled = list_filled(schema)
    return {
        feature.name: ", ".join([*_describe(feature, domains), *_describe_use(feature, filled)])
        for feature in sorted(schema.feature, key=_name)
    }


def compare(old: Schema, new: Schema) -> Iterator[str]:
    """Yields a line for each column that is new (`+`), gone (`-`) or expected to be otherwise (`~`)."""
    before, after = describe(old), describe(new)
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield f"+ {name}: {after[name]}"
        elif name not in after:
            yield f"- {name}: {before[name]}"
        elif before[name] != after[name]:
            yield f"~ {name}: {after[name]}   (was: {before[name]})"
            yield from _compare_values(old, new, name)


def _compare_values(old: Schema, new: Schema, name: str) -> Iterator[str]:
    before, after = (_values(schema, name) for schema in (old, new))
    for sign, values in (("+", after - before), ("-", before - after)):
        if before and after and values:
            yield f"    {sign} {', '.join(sorted(values))}"


def _values(schema: Schema, name: str) -> set[str]:
    domains = {domain.name: set(domain.value) for domain in schema.string_domain}
    (feature,) = [feature for feature in schema.feature if feature.name == name]
    return set(feature.string_domain.value) | domains.get(feature.domain, set())


def _describe(feature: Feature, domains: dict[str, list[str]]) -> Iterator[str]:
    from tensorflow_metadata.proto.v0 import schema_pb2

    names = {schema_pb2.BYTES: "text", schema_pb2.INT: "whole number", schema_pb2.FLOAT: "number"}
    yield names.get(feature.type, schema_pb2.FeatureType.Name(feature.type).lower())
    sizes = [dimension.size for dimension in feature.shape.dim]
    if sizes and sizes != [1]:
        yield f"shape {sizes}"
    elif feature.value_count.max != 1 and not sizes:
        yield "several values a row"
    share = feature.presence.min_fraction
    yield (
        "a value in each row"
        if share == 1 or sizes
        else (f"a value in {share:.0%} of the rows" if share else "cells may be empty")
    )
    values = list(feature.string_domain.value) or domains.get(feature.domain, [])
    if values:
        more = f" and {len(values) - _SHOWN_VALUES} more" if len(values) > _SHOWN_VALUES else ""
        yield f"one of {' | '.join(values[:_SHOWN_VALUES])}{more}"
    if feature.distribution_constraints.HasField("min_domain_mass"):
        yield f"{1 - feature.distribution_constraints.min_domain_mass:.0%} of the rows may have others"
    if feature.HasField("int_domain") or feature.HasField("float_domain"):
        domain = feature.int_domain if feature.HasField("int_domain") else feature.float_domain
        yield f"{domain.min:g} to {domain.max:g}"


def _describe_use(feature: Feature, filled: Mapping[str, Any]) -> Iterator[str]:
    from hilir.components.data_gate.uses import UNREAD

    if feature.name in filled:
        yield f"empty ones are {filled[feature.name]!r}"
    if UNREAD in feature.annotation.tag:
        yield "read by nothing"


def _name(feature: Feature) -> str:
    return str(feature.name)
