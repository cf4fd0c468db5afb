"""The versions below the serving root, read; exports of them, made."""
