"""Modules out of their texts, on a machine that has none of ours: so they import one another there as they do here.

Its own text is the beginning of the program that is sent (`testbed.labs.ssh.rpc`).
"""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping


def load(texts: Mapping[str, str]) -> None:
    """Make the modules, by their full names: each after those that it imports. The packages around them are empty."""
    for name, text in texts.items():
        parts = name.split(".")
        for depth in range(1, len(parts)):
            _module(".".join(parts[:depth]))
        exec(compile(text, f"<{name}>", "exec"), vars(_module(name)))


def _module(name: str) -> types.ModuleType:
    if name not in sys.modules:
        sys.modules[name] = types.ModuleType(name)
        package, _, last = name.rpartition(".")
        if package:
            setattr(sys.modules[package], last, sys.modules[name])
    return sys.modules[name]
