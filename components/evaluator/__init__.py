"""The gate before the push: TFMA's metrics, slices and thresholds."""
