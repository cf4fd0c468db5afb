"""The schema of the data: inferred so that later data fits it, or a curated file."""
