"""Benchmarks of the model server: ratios side by side in one run."""
