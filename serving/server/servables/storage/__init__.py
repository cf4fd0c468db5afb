"""Versions as they lie on disk or in object storage."""
