"""The state of a release on disk, and the split of traffic that follows from it."""
