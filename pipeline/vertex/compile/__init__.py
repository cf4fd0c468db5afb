"""Compiles a pipeline for Vertex AI."""
