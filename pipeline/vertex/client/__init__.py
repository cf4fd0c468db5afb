"""Calls Vertex AI: jobs, schedules, endpoints."""
