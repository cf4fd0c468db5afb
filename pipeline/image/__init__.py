"""A project's own container image: its package and configuration on top of hilir's."""
