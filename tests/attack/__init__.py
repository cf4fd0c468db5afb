"""Attacks on a server, and the bounds that it holds under them."""
