"""The generic trainer: one `run_fn` for every model package."""
