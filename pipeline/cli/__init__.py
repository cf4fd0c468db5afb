"""The command line. A command loads the configuration, calls one function and prints its result.

Commands are imported when they are called, and import TensorFlow, TFX, Beam or google.cloud only inside their
functions, so that `hilir --help` answers at once.
"""
