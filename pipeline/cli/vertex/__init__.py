"""Commands of Vertex AI and its emulator."""
