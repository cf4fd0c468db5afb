"""The small languages inside a specification: CEL, placeholders, store queries."""
