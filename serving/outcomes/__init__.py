"""What became of predictions: outcomes as they are sent, stored, and joined with what was predicted."""
