"""The process that takes outcomes where TensorFlow Serving, which does not, answers predictions."""
