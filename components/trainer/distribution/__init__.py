"""Devices and worker processes."""
