"""The bridge from TFX's Transform to the model package's `preprocessing_fn`."""
