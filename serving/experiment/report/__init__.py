"""What an experiment shows: a table for the terminal, a page, and JSON."""
