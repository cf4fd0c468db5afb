"""The connection to Vertex AI: clients, retries, credentials."""
