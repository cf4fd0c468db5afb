"""The one reader of each artifact of a run, as plain values: for the report, the dashboard and the terminal.

All of them return what JSON can hold. Those of curves and evaluations import TensorFlow, whose programs wrote them.
"""
