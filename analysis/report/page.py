"""The report as one HTML page: jinja2 templates of this package, everything escaped, images inlined.

Control characters are shown as such: none of them may stand in HTML.
"""

from __future__ import annotations

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.claims import Verdict
from analysis.report.content import Report
from testbed.base.text import plain_lines

# Words and signs beside the colours: the page must be readable in grey.
MARKS = {Verdict.HOLDS: "✓", Verdict.FAILS: "✗", Verdict.OPEN: "?"}
CLASSES = {Verdict.HOLDS: "holds", Verdict.FAILS: "fails", Verdict.OPEN: "open"}


def render_page(report: Report) -> str:
    """The page; the same report gives the same text."""
    environment = Environment(
        loader=PackageLoader("analysis.report"),
        autoescape=True,
        finalize=lambda value: plain_lines(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["svg_uri"] = lambda svg: f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    environment.filters["png_uri"] = lambda png: f"data:image/png;base64,{base64.b64encode(png).decode()}"
    environment.globals.update(MARKS=MARKS, CLASSES=CLASSES, VERDICTS=tuple(Verdict))
    return environment.get_template("report.html.j2").render(report=report)
