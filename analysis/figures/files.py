"""Drawn figures as files: PNG, PDF and SVG.

The same figure gives the same bytes: no date is written, and the global state of pyplot is not used.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure as Canvas

from analysis.figures import style
from testbed.record import writing as output

_NAME_LENGTH = 160  # what is put behind it, and the name of a draft, must fit into 255


def svg_bytes(canvas: Canvas) -> bytes:
    """A drawn figure as SVG, the same bytes for the same figure; text is drawn, so that no font is needed."""
    buffer = io.BytesIO()
    with style.settings(**{"svg.fonttype": "path", "svg.hashsalt": "testbed"}):
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def png_bytes(canvas: Canvas, dpi: int = style.PNG_DPI) -> bytes:
    """A drawn figure as PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    with style.settings():
        canvas.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def pdf_bytes(canvas: Canvas) -> bytes:
    """A drawn figure as PDF, the same bytes for the same figure."""
    buffer = io.BytesIO()
    with style.settings():
        canvas.savefig(buffer, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return buffer.getvalue()


def pictures(canvas: Canvas) -> dict[str, bytes]:
    """A drawn figure as PNG, PDF and SVG, by suffix."""
    svg = svg_bytes(canvas)
    return {"png": png_bytes(canvas), "pdf": pdf_bytes(canvas), "svg": svg}


def write(drawn: Mapping[str, bytes], directory: Path, name: str) -> list[Path]:
    """Write the pictures of one figure; returns the files. Raises AnalysisError."""
    return [output.write_bytes(directory / f"{name}.{suffix}", picture) for suffix, picture in drawn.items()]


def file_name(text: str) -> str:
    """The text as the name of a file, without suffix."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:_NAME_LENGTH] or "figure"
