"""Commands of runs on this machine."""
