"""Tensors between protocols and graphs: their types, and their protocol buffers."""
