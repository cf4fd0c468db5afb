"""The commands for production."""
