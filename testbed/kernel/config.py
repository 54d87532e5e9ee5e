"""The kernel configuration: fragments on top of `allnoconfig`, every line of which must survive.

kconfig drops without a word what it does not know or whose dependencies are off, so the finished `.config` is
compared with the fragments line by line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import ConfigError, KernelBuildError

_SET = re.compile(r"^CONFIG_(\w+)=(.+)$")
_UNSET = re.compile(r"^# CONFIG_(\w+) is not set$")


@dataclass(frozen=True)
class Setting:
    """What one line of a fragment asks for; `value` is "n" for a symbol that is not set."""

    fragment: Path
    line: int
    symbol: str
    value: str

    @property
    def text(self) -> str:
        """The line as kconfig writes it."""
        return f"# CONFIG_{self.symbol} is not set" if self.value == "n" else f"CONFIG_{self.symbol}={self.value}"

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.fragment}:{self.line}"


def read_fragments(fragments: Sequence[Path]) -> tuple[Setting, ...]:
    """The settings of all fragments together.

    Raises `ConfigError` (`file:line`) for a line that is none, or a symbol set twice, be it in two files.
    """
    settings: dict[str, Setting] = {}
    for fragment in fragments:
        for setting in read_fragment(fragment):
            if (before := settings.get(setting.symbol)) is not None:
                raise ConfigError(fragment, setting.line, f"CONFIG_{setting.symbol} is already set in {before.place}")
            settings[setting.symbol] = setting
    return tuple(settings.values())


def read_fragment(fragment: Path) -> tuple[Setting, ...]:
    """The settings of a fragment; raises `ConfigError` (`file:line`) for a line that is none, or a symbol set twice."""
    try:
        lines = fragment.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(fragment, None, f"the kernel configuration cannot be read: {error}") from error
    settings: dict[str, Setting] = {}
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if match := _SET.match(line):
            setting = Setting(fragment, number, match[1], match[2])
        elif match := _UNSET.match(line):
            setting = Setting(fragment, number, match[1], "n")
        elif not line or (line.startswith("#") and not line.startswith("# CONFIG_")):
            continue
        else:
            raise ConfigError(
                fragment, number, f"{line!r} is no setting", hint="CONFIG_X=value, # CONFIG_X is not set, or a comment"
            )
        if (before := settings.get(setting.symbol)) is not None:
            raise ConfigError(fragment, number, f"CONFIG_{setting.symbol} is already set in line {before.line}")
        settings[setting.symbol] = setting
    return tuple(settings.values())


def parse(text: str) -> dict[str, str]:
    """The symbols of a finished `.config` with their values; "n" for one that is not set, but known."""
    found = {}
    for line in text.splitlines():
        if match := _SET.match(line):
            found[match[1]] = match[2]
        elif match := _UNSET.match(line):
            found[match[1]] = "n"
    return found


def enabled(text: str) -> frozenset[str]:
    """The options (`CONFIG_IP_VS`) that a finished `.config` has, built in or as modules."""
    return frozenset(f"CONFIG_{symbol}" for symbol, value in parse(text).items() if value != "n")


def digest(settings: tuple[Setting, ...]) -> str:
    """SHA-256 of what the settings ask for; comments and order do not count."""
    lines = sorted(setting.text for setting in settings)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write(settings: tuple[Setting, ...], merged: Path) -> None:
    """Write the settings as one fragment, for kconfig."""
    merged.write_text("".join(f"{setting.text}\n" for setting in settings), encoding="utf-8")


def check(settings: tuple[Setting, ...], dotconfig: Path) -> None:
    """Compare the finished `.config` with the settings; raises `KernelBuildError` for the first one lost."""
    found = parse(dotconfig.read_text(encoding="utf-8"))
    for setting in settings:
        value = found.get(setting.symbol, "n")
        if value != setting.value:
            known = (
                "a dependency is off, or another setting wins"
                if setting.symbol in found
                else ("this source does not know the symbol, or a dependency is off")
            )
            raise KernelBuildError(
                f"{setting.place}: {setting.text} was lost: the configuration has {value!r}", hint=known
            )
