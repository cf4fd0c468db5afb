"""Reasons to run a pipeline again on this machine, and the daemon that follows them (`hilir watch`).

    triggers (cron, data, drift, …) ─► firings ─► policy ─► one run at once ─► `hilir run … --json`, a child process

Every arrow is a transaction of the SQLite state, so that the daemon may be killed at any moment. A trigger is one class
with the two methods of `payload.Trigger`; `build` chooses those of a configuration.
"""
