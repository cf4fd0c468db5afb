"""What a training keeps: weights, checkpoints, early stopping."""
