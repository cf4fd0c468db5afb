"""Sends a few real rows the whole way that a training takes, and what comes after it, before the first step of it."""
