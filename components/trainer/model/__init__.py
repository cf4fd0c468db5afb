"""The user's model, made ready for training."""
