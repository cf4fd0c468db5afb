"""A linear network over classes that are strings, with a weight for each row; it begins with zeros."""
