"""The guides' pictures, from a real first hour: `make docs-pictures` renews them."""
