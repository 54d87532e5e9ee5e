"""Figures, each a module: of an experiment, of any run, of a point, of a connection.

Enters: the summaries and the tables of a run; only a connection's figure reads captures. Leaves: one PNG, PDF and SVG
per figure. Points are told apart by position and label, paths and causes by colour, line and hatch.
"""

from matplotlib.figure import Figure as Canvas

from analysis.figures.declaration import Data, Figure

__all__ = ["Canvas", "Data", "Figure"]
