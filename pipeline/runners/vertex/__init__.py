"""Vertex AI Pipelines: the graph as a pipeline specification, mended and checked before anyone sees it."""
