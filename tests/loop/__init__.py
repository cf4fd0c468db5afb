"""The whole loop with real processes: traffic, drift, a new version, its rollout, an experiment, a rollback."""
