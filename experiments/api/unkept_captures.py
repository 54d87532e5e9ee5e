"""The end of captures that an experiment does not keep: their points have tables instead (`[capture] keep`)."""

from __future__ import annotations

import os
from pathlib import Path

from experiments.api.analysing import Analysis
from testbed.base.errors import AnalysisError
from testbed.record.captures import read_captures, read_server_captures
from testbed.record.director import read_director_captures
from testbed.record.point import read_point
from testbed.runs import store


def remove_unkept(analysis: Analysis) -> int:
    """Remove the captures of the valid points of a run that has just been made, where only their tables are wanted.

    What came of each is written into its directory first. The captures of an invalid point stay: somebody will ask why.
    One that was interrupted before is finished. Returns how many points it was. Raises AnalysisError and OSError for
    what cannot be written.
    """
    from analysis.summary.kept import is_kept, write_kept

    run = store.open_run(analysis.directory)
    count = 0
    for summary in analysis.summaries:
        directory = run.points / summary.id
        if not summary.valid or read_point(directory).capture != "tables":
            continue
        files = [path for path in _captures(directory) if os.path.lexists(path)]
        if not is_kept(directory):
            write_kept(directory, summary, analysis.tables)
        elif not files:
            continue
        for path in files:
            path.unlink(missing_ok=True)
        run.note_files(summary.id)
        count += 1
    return count


def _captures(directory: Path) -> list[Path]:
    lists = (read_captures(directory), read_server_captures(directory), read_director_captures(directory))
    found = [directory / each.file for files in lists for each in files]
    if strange := [path for path in found if path.parent != directory]:
        raise AnalysisError(f"{strange[0]}: not a capture of {directory}")
    return found
