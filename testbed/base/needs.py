"""What a part, or a module that every point uses, needs of a kernel and a machine: pure data, with how to find out.

A `Need` travels as JSON into any lab, so its probe is data, too: commands to run in a namespace that is thrown away, or
a function of the toolkit, by its name. Whoever brings a need brings its probe, and nobody has to import his code to try
it. `testbed.labs.features` finds out what a lab has of it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

PATCHED = "a kernel with the patches of kernel-patches/"
"""The cure for what only our patches bring."""

NO_PROGRAM = "not found"
"""What is said of a program that is not there."""

Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]
Option = Annotated[str, StringConstraints(pattern=r"^CONFIG_[A-Za-z0-9_]+$", max_length=100)]
Package = Annotated[str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9+.-]+)?$", max_length=100)]
Program = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x20\x7f/]*$", max_length=100)]
SysctlName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?$")]
Word = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=4096)]
Argv = Annotated[tuple[Word, ...], Field(min_length=1, max_length=100)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Call(_Data):
    """A function of the toolkit (`package.module:function`), called with these words; it raises if it does not work."""

    function: Annotated[str, StringConstraints(pattern=r"^(testbed|topologies|experiments)(\.[a-z0-9_]+)*:[a-z0-9_]+$")]
    arguments: tuple[Word, ...] = ()


class Need(_Data):
    """One thing without which a point cannot run as it is meant.

    `name` and `purpose` are for people. All that is said must be there: the kernel's options (`CONFIG_IP_VS`), the
    program, the sysctl (one that a network namespace can set for itself), and every step of `probe`, in its order.
    `module` is the kernel's module to look for, `package` what Debian calls the package that brings it, `cure` what to
    do where neither says it all. `part` is whose need it is; who collects needs fills it in.
    """

    name: Line
    purpose: Line = ""
    kernel_options: tuple[Option, ...] = ()
    module: Line = ""
    program: Program = ""
    sysctl: SysctlName = ""
    package: Package = ""
    probe: tuple[Argv | Call, ...] = ()
    cure: Line = ""
    part: Line = ""

    @property
    def what_for(self) -> str:
        """Whose need it is, and what for; as much of it as is known."""
        return ": ".join(text for text in (self.part, self.purpose) if text)

    @property
    def remedy(self) -> str:
        """What to do where it is missing."""
        if self.cure:
            return self.cure
        found = []
        if self.package:
            found.append(f"run as root: apt-get install {self.package}")
        elif self.program:
            found.append(f"install {self.program}")
        if self.kernel_options:
            module = f" (module {self.module})" if self.module else ""
            found.append(f"a kernel with {', '.join(self.kernel_options)}{module}")
        return "; ".join(found) or ("a newer kernel" if self.sysctl else "")

    def rank(self) -> tuple[int, str, str]:
        """The order of needs: the kernel, sysctls, programs, and what they load."""
        kind = 0 if self.kernel_options else 1 if self.sysctl else 2 if self.program else 3
        return (kind, self.name.casefold(), self.part)


@dataclass(frozen=True)
class Finding:
    """What became of one need: `error` is empty if it is met, else `cure` says what to do.

    `of_kernel`: another kernel may have it.
    """

    name: str
    error: str
    purpose: str = ""
    cure: str = ""
    of_kernel: bool = False

    @property
    def ok(self) -> bool:
        """Whether the need is met."""
        return not self.error

    @property
    def detail(self) -> str:
        """What is wrong, or else what it is for."""
        return self.error or (f"for {self.purpose}" if self.purpose else "")

    def as_check(self) -> dict[str, Any]:
        """What a doctor says of it: `name`, `ok`, `detail` and `cure`."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "cure": self.cure}


def kernel(name: str, *options: str, purpose: str = "", module: str = "", probe: tuple[Argv | Call, ...] = ()) -> Need:
    """The need of something that a kernel has with these options."""
    return Need(name=name, purpose=purpose, kernel_options=options, module=module, probe=probe)


def program(name: str, package: str = "", purpose: str = "") -> Need:
    """The need of a program, and of Debian's package that has it."""
    return Need(name=f"program {name}", purpose=purpose, program=name, package=package)


def sysctl(name: str, purpose: str = "", cure: str = "") -> Need:
    """The need of a sysctl that a network namespace can set for itself."""
    return Need(name=f"sysctl {name}", purpose=purpose, sysctl=name, cure=cure)


def of_part(part: str, needs: Collection[Need]) -> frozenset[Need]:
    """The needs, as those of a part, such as `director ipvs`."""
    return frozenset(need.model_copy(update={"part": part}) for need in needs)


def packages(needs: Collection[Need]) -> list[str]:
    """The Debian packages that bring them."""
    return sorted({need.package for need in needs if need.package})
