"""What a user writes: one package per model. Each has `features`, `preprocessing` and `model`."""
