"""From the raw directories of a run to its summary and tables: what was measured, and whether it can be believed."""
