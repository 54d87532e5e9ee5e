"""The report of one or several runs: claims, figures, set-up, environment and hashes on one HTML page.

Enters: run directories that have a `summary.json`. Leaves: a `Report`, plain data, and the page made of it. The page is
one file that needs no other: no script, no font, no image from elsewhere, and its policy lets none in.
"""

from __future__ import annotations

from analysis.report.content import Report, compile_report
from analysis.report.page import render_page
from analysis.report.run_facts import RunFacts, read_run

__all__ = ["Report", "RunFacts", "compile_report", "read_run", "render_page"]
