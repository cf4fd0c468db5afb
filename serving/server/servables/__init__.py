"""Models on disk, loaded and held."""
