"""Runs that are over, or that others do: their folders, their reports, and what the metadata store has of them."""
