"""The SavedModel that a training writes."""
