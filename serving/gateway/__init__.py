"""Envoy in front of the model servers: its configuration, made from settings and release states, and its process.

What rarely changes (listeners, filters, clusters) is in `envoy.json`, read at the start. What a release changes is in
`routes.json`, which Envoy watches: a rename puts a new split in force within milliseconds, and no connection is closed.
"""
