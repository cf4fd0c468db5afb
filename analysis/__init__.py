"""What components, pipeline and serving share: statistics, charts, shown text; it loads at once."""
