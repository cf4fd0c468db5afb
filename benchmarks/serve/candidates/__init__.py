"""Which HTTP server: candidates, the cases that a model server must get right, and their throughput."""
