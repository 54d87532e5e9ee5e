"""`testbed schema`: the JSON Schema of experiments' files, for editors and other programs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from experiments import catalog, json_schema
from experiments.cli.output import show, warn
from experiments.cli.own_options import more_parts
from testbed.base import files
from testbed.base.errors import PrerequisiteError, UsageError


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it there instead, as an editor wants it.",
)
@more_parts
def schema(out: Path | None, own: tuple[Path, ...]) -> None:
    """Print the JSON Schema (draft 2020-12) of experiments' files: editors complete and check them with it.

    It has the tables of all parts: ours, those of installed packages, and with --part your own. A FILE that is there
    already is replaced only if it is such a schema.
    """
    if out is not None:
        _require_free(out)
    found = catalog.everything(own)
    text = json.dumps(json_schema.schema(found), indent=2, ensure_ascii=False)
    if out is None:
        show(text)
    else:
        try:
            show(files.write_text(out, f"{text}\n"))
        except OSError as error:
            raise PrerequisiteError(f"{out}: cannot be written: {error.strerror or error}") from error
    warn(found.problems)


def _require_free(path: Path) -> None:
    """Raise `UsageError` unless the path is free or has an older schema: what the user has there stays."""
    if os.path.lexists(path) and not _is_schema(path):
        raise UsageError(
            f"{path}: it is there already, and not a schema of experiments' files", hint="name another file"
        )


def _is_schema(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    try:
        found = json.loads(files.read_text(path))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and str(found.get("title", "")).startswith(json_schema.TITLE)
