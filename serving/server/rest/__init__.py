"""The REST protocol."""
