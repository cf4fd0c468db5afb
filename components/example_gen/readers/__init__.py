"""Reads files of several forms as record batches; a file is cut into pieces that can be read on their own."""
