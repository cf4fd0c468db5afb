"""The dashboard: runs, versions, releases, triggers and disk use of a project, in the browser; without TensorFlow."""
