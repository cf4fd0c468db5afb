"""Ingest: CSV files or TFRecords become tf.Examples in splits, read once with Arrow and without Beam."""
