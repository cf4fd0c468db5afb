"""Statistics that components, pipeline and serving share; numpy and scipy.special only, so that it loads at once."""
