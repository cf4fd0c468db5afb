"""The text of the files of a new project."""
