"""What of past runs and versions stays, and the removal of the rest."""
