"""What executes a built pipeline: this machine, Vertex AI, or the emulation of Vertex AI on this machine."""
