"""Size, speed and accuracy of the exported digits model."""
