"""What the toolkit needs on another machine: locked packages, to the byte, as two requirement files of pip.

The other machine installs them with `--require-hashes`, from its own index or from files that are sent; what builds
those that come as source is locked too and comes first. So no version and no byte gets there that is not in the lock.
"""

from __future__ import annotations

from collections.abc import Mapping

from testbed import lock_file
from testbed.base.errors import PrerequisiteError
from testbed.labs.ssh.remote import layout
from testbed.lock_file import Locked


def locked(versions: Mapping[str, str]) -> dict[str, bytes]:
    """The two files by the names that the other side knows, for packages that are installed here: name and version.

    Raises `PrerequisiteError` for one that is not the locked one: there it would be another than here.
    """
    entries = lock_file.read(lock_file.PACKAGES)
    for name, version in sorted(versions.items()):
        entry = entries.get(name)
        if entry is None or entry.version != version:
            wanted = f"the lock has {entry.version}" if entry else "the lock does not have it"
            raise PrerequisiteError(
                f"the Python package {name} {version} is not what another machine would get: {wanted}",
                hint="run from the environment that the lock describes: make venv",
            )
    return {
        layout.BUILDERS: _file(lock_file.read(lock_file.BUILD_PACKAGES)),
        layout.PACKAGES: _file({name: entries[name] for name in versions}),
    }


def _file(entries: Mapping[str, Locked]) -> bytes:
    return "".join(f"{entries[name].line()}\n" for name in sorted(entries)).encode()
