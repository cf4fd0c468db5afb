"""A model server that speaks TensorFlow Serving's REST and gRPC protocols, for machines without its image."""
