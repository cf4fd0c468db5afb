"""Runs a compiled specification on this machine."""
