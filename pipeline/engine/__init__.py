"""What runs the Beam pipelines of a local run: from the configuration to the options that Beam gets."""
