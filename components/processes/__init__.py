"""Starts processes, by forking one that has loaded TensorFlow and TFX where that saves ten seconds."""
