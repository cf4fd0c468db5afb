"""Ingest: files of several forms become tf.Examples in splits; a Beam transform over record batches."""
