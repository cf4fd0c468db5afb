"""Configuration: YAML layers merged, checked and frozen; every fault at once, each with file and key."""

from hilir.pipeline.config.load import LoadedConfig, load
from hilir.pipeline.config.schema import Config

__all__ = ["Config", "LoadedConfig", "load"]
