"""A local run and a rehearsal, from a checked configuration to the summary."""
