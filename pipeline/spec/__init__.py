"""A compiled PipelineSpec as data: what the compiler, the client and the emulator share."""
