"""JSON to tensors and back."""
