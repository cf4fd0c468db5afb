"""Rows for training: files, batches, feeds."""
