"""Experiments between two versions: how large, how split, what they show and when to conclude."""
