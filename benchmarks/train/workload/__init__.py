"""A model package with much to compute and little to send: three convolutions over small images."""
