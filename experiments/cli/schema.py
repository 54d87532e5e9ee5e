"""`testbed schema`: the JSON Schema of experiments' files, for editors and other programs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from experiments import catalog, json_schema
from experiments.cli.output import show, warn
from experiments.cli.own_options import more_parts
from experiments.free_path import require_free
from testbed.base import files
from testbed.base.errors import PrerequisiteError

_MOST_BYTES = 16 << 20


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
        require_free(out, "a schema of experiments' files", _is_schema, begins=_MOST_BYTES)
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


def _is_schema(text: bytes) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and str(found.get("title", "")).startswith(json_schema.TITLE)
