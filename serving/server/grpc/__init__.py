"""The gRPC protocol."""
