"""The page that shows an exported model, and its server."""
