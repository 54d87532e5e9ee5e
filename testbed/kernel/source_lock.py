"""The lock's word on a kernel: the version of the source that its results were judged with, and its SHA-256.

`testbed/locked/kernel-source-<release>.toml` names Debian's package file and where in a mirror's pool it lies. A mirror
keeps it for some months, for other releases of Debian too; where it is gone, another version serves, and everybody is
told.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from testbed.base.errors import ConfigError


class LockedSource(BaseModel):
    """A package file: its name and version, its path below the mirror's root, and what its bytes must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str = Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")
    version: str = Field(pattern=r"^[0-9][0-9A-Za-z.+~:-]*$")
    file: str = Field(pattern=r"^pool/[A-Za-z0-9/_.+~%-]+\.deb$")
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def identity(self) -> str:
        """As `DebianSource.identity` has it, and so a kernel's manifest."""
        return f"{self.package} {self.version}"


def read(path: Path) -> LockedSource:
    """The locked source; raises `ConfigError`."""
    try:
        return LockedSource.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(path, None, f"the lock cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(path, None, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
