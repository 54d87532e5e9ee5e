"""Figures of any run, drawn from its tables: paths over time, bytes per path, join delay, RSTs by cause, subflows.

Enters: the tables of `analysis.tables`; only the sequence plot of one connection reads captures. Leaves: one PNG, PDF
and SVG per figure. Points are told apart by position and label, paths and causes by colour, line and hatch.
"""

from analysis.figures.gallery import (
    KINDS,
    OF_A_RUN,
    TABLES_OF_A_RUN,
    draw_point,
    draw_run,
    figures_of_point,
    figures_of_run,
)

__all__ = ["KINDS", "OF_A_RUN", "TABLES_OF_A_RUN", "draw_point", "draw_run", "figures_of_point", "figures_of_run"]
