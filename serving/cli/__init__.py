"""The commands that run beside the traffic."""
