"""Commands of versions and their exports."""
