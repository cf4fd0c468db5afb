"""Vertex AI: the compiler and the client."""
