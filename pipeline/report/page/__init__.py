"""The report of a run, and the difference of two runs, as pages: one file each, which names nothing outside itself."""

from hilir.pipeline.report.page.render import NAME, make_environment, render_comparison, render_report, write_report

__all__ = ["NAME", "make_environment", "render_comparison", "render_report", "write_report"]
