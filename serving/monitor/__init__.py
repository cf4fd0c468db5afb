"""The request log in windows, compared with the reference of the version that answered."""
