"""Pushes a version to Vertex AI: the model registry, an endpoint, its traffic."""
