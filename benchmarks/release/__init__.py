"""How soon a rollback takes effect, measured with the program itself."""
