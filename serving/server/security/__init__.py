"""Tokens, TLS, and files for their owner only."""
