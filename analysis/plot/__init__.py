"""Small charts as SVG: deterministic strings, coloured by the page's style sheet, readable without it.

`line_chart`, `bar_chart`, `paired_bars`, `histogram`, `interval_chart`, `matrix_chart`, `sparkline` and `draw_graph`
return one `<svg>` each, with a title and a description; `STYLE` is the style sheet, for light and dark pages and for
print.
"""

from hilir.analysis.plot.bars import bar_chart, histogram, paired_bars
from hilir.analysis.plot.interval_chart import Interval, interval_chart
from hilir.analysis.plot.layered_graph import Node, draw_graph
from hilir.analysis.plot.lines import Bound, Series, line_chart, simplify, sparkline
from hilir.analysis.plot.matrix import matrix_chart
from hilir.analysis.plot.svg import STYLE

__all__ = [
    "STYLE",
    "Bound",
    "Interval",
    "Node",
    "Series",
    "bar_chart",
    "draw_graph",
    "histogram",
    "interval_chart",
    "line_chart",
    "matrix_chart",
    "paired_bars",
    "simplify",
    "sparkline",
]
