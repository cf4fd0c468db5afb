"""Runs a compiled Vertex AI pipeline on this machine: the same commands, the same contract, no cloud and no Docker."""
