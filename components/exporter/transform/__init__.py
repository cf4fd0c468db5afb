"""Preprocessing as a small program that devices compute."""
