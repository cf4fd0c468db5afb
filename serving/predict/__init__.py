"""Predictions for the rows of a file: read in pieces, sent through a version, written in the same order."""
