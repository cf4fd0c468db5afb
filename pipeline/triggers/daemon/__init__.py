"""The daemon of `hilir watch`: decides, starts, remembers."""
