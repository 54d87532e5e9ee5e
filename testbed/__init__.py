"""The machinery of the testbed: labs, kernel build, scheduler, run store, typed wrappers of the tools."""

__version__ = "0.1.0"
