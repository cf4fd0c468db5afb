"""A table of 3,000 columns, of which the model reads two."""
