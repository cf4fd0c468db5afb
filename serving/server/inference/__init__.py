"""The life of a request between protocol and graph."""
