"""Starts the processes of steps."""
