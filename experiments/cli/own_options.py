"""Options that several commands take for what is the user's own: figures and parts, in files of Python."""

from __future__ import annotations

from pathlib import Path

import click

own_parts = click.option(
    "--part", "own", multiple=True, metavar="FILE.py", type=click.Path(path_type=Path),
    help="A part of your own that the run was made with: a file, or a package's directory. May be repeated.",
)  # fmt: skip
trust_option = click.option(
    "--trust-code", is_flag=True, help="Execute the copies of users' own parts that lie in the run's directory."
)
more_parts = click.option(
    "--part", "own", multiple=True, metavar="FILE.py", type=click.Path(path_type=Path),
    help="A part of your own, besides those of the toolkit and of installed packages. May be repeated.",
)  # fmt: skip
own_figures = click.option(
    "--figure", "own", multiple=True, metavar="FILE.py", type=click.Path(path_type=Path),
    help="A figure of your own, drawn as well. May be repeated.",
)  # fmt: skip
