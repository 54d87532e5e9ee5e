"""The ssh lab: another machine, reached with SSH, runs the job in its own `uml` or `local` lab."""
