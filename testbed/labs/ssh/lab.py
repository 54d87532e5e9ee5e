"""The ssh lab: another machine runs the job in its own `uml` or `local` lab; output and results come back.

The job there does not need the connection: it is started once, and whoever connects again finds it running or
finished. It ends by itself when this side does not ask for it for a while (`testbed.labs.ssh.reconnection.Timeouts`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from testbed.base.errors import RunInterrupted, TestbedError
from testbed.base.needs import Finding, Need
from testbed.base.text import plain
from testbed.kernel.cache import Kernel
from testbed.labs import features, libraries
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard
from testbed.labs.ssh import contents, provisioning, retrieval, shell, transfer
from testbed.labs.ssh.connection import Connection
from testbed.labs.ssh.job_channel import FollowedJob, JobChannel, next_event
from testbed.labs.ssh.owner import Owner
from testbed.labs.ssh.provisioning import Machine, Report
from testbed.labs.ssh.reconnection import PersistentConnection, Timeouts
from testbed.labs.ssh.remote import layout, protocol
from testbed.labs.ssh.remote.described_job import described
from testbed.labs.ssh.rpc import call, call_bootstrap, module_command, tidy_up, validated
from testbed.labs.ssh.target import RemoteLab
from testbed.labs.terminal import Terminal

T = TypeVar("T")

JOB_BYTES = 200_000_000
_POLL_S = 0.05
_ENDING_S = 45.0
_GONE_S = 5.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class _Check:
    """A check of the doctor there (`testbed.doctor.Check`)."""

    name: str
    ok: bool
    detail: str
    cure: str


@dataclass(frozen=True)
class _RemoteFacts:
    """What the other side says of its lab."""

    facts: dict[str, Any]
    clocks: tuple[Clock, ...]
    width: Annotated[int, Field(ge=1, le=4096)]


class SshLab:
    """A `Lab` on another machine; made by `testbed.labs.ssh.setup`."""

    def __init__(
        self,
        name: str,
        lab: RemoteLab,
        connection: PersistentConnection,
        *,
        machine: Machine,
        toolkit: str,
        owner: Owner,
        kernel: Kernel | None,
        core_wait_s: float,
        timeouts: Timeouts,
        report: Report,
    ) -> None:
        self.name = name
        self._report = report
        self._lab = lab
        self._connection = connection
        self._machine = machine
        self._toolkit = toolkit
        self._owner = owner
        self._kernel = kernel.id if kernel else ""
        self._core_wait_s = core_wait_s
        self._timeouts = timeouts
        greeting = protocol.greeting(Path(toolkit).name)
        command = module_command(toolkit, "serve", toolkit, timeouts.heartbeat_s, timeouts.lease_s)
        self.job_channel = JobChannel(connection, command, greeting, timeouts)
        said = validated(_RemoteFacts, self._call("facts"), name)
        self._facts = said.facts
        self.clocks = said.clocks
        self.width = said.width
        self._is_checked = False
        self._left = False

    @property
    def machine(self) -> str:
        """The machine, however it is reached; this one, if it is."""
        with contextlib.suppress(OSError):
            if _BOOT_ID.read_text().strip() == self._machine.boot:
                return HERE
        return self._machine.boot

    def facts(self) -> Mapping[str, Any]:
        """The kernel and the machine that did the work, and the toolkit that was sent."""
        return {**self._facts, "machine": self._machine.host, "toolkit_sha256": Path(self._toolkit).name}

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        """Raise `PrerequisiteError` unless the machine has what it must have, and its lab what is needed."""
        self._check()
        if library := libraries.require(needs):
            toolkit, owner, machine = self._toolkit, self._owner.id, self._machine
            self._connection.use(
                lambda to: provisioning.provide_library(to, toolkit, library, machine=machine, owner=owner)
            )
        features.require(
            self.probe(needs, cancel), self.name, elsewhere=features.ELSEWHERE if self._lab == "local" else ""
        )

    def probe(self, needs: Collection[Need], cancel: Cancel | None = None) -> list[Finding]:
        """Have the lab there find out about each need."""
        wanted = [need.model_dump(mode="json", exclude_defaults=True) for need in needs]
        said = self._call("probe", cancel, needs=wanted)
        return [_printable(each) for each in validated(list[Finding], said, self.name)]

    def examine(self, needs: Collection[Need] = (), *, boot: bool = True) -> list[dict[str, Any]]:
        """What `testbed doctor` says there: `name`, `ok`, `detail` and `cure` of each check."""
        said = self._checks(boot=boot)
        said += [finding.as_check() for finding in self.probe(needs)]
        return said

    def _checks(self, *, boot: bool) -> list[dict[str, Any]]:
        found = validated(list[_Check], self._call("check", boot=boot), self.name)
        return [dataclasses.asdict(_printable(each)) for each in found]

    def _check(self) -> None:
        """The doctor's quick checks, once."""
        if self._is_checked:
            return
        missing = [each for each in self._checks(boot=False) if not each["ok"]]
        if missing:
            what = "; ".join(f"{each['name']}: {each['detail']}" for each in missing)
            kinds = {"kind": "PrerequisiteError", "message": what, "hint": f"there: {missing[0]['cure']}"}
            raise protocol.error_from_json(kinds, self.name)
        self._is_checked = True

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        """Run the job there and bring its output back, even if it failed (see `Lab`)."""
        flag = cancel or Cancel()
        flag.raise_if_set()
        self._check()
        name = self._new_name()
        try:
            self._connection.use(lambda connection: self._send(connection, name, job, flag), flag)
            with self.job_channel.following(name) as followed:
                end = self._follow(followed, {"stdout": stdout, "stderr": stderr}, flag)
            self._connection.use(lambda connection: self._fetch(connection, name, job.output, flag), flag)
        finally:
            self._remove(name)
        return self._result(end)

    def interact(self, job: Job, terminal: Terminal) -> JobResult:
        """Run the job there with the user's terminal as its own; nothing of its output is brought back."""
        self._check()
        name = self._new_name()
        folder = self._machine.job(name)
        try:
            self._connection.use(lambda connection: self._send(connection, name, job, Cancel()))
            command = module_command(self._toolkit, "shell", folder)
            shell.run(self._connection.use(lambda connection: connection), command, terminal)
            return self._result(self._connection.use(lambda connection: shell.end_of(connection, folder)))
        finally:
            self._remove(name)

    def _new_name(self) -> str:
        return f"{self._owner.id}-{uuid.uuid4().hex[:8]}"

    def _result(self, end: dict[str, Any]) -> JobResult:
        if "error" in end:
            raise protocol.error_from_json(end["error"], self.name)
        return validated(JobResult, end.get("result"), self.name)

    def _send(self, connection: Connection, name: str, job: Job, flag: Cancel) -> None:
        """Send what the job needs; its request comes last, and makes it one."""
        folder = self._machine.job(name)
        files = transfer.files_below(job.output)
        needed = JOB_BYTES + sum(path.stat().st_size for path in files.values())
        call_bootstrap(connection, "require_space", {"needed_bytes": needed, "what": "a job", "folder": layout.JOBS})
        request = {
            "lab": self._lab,
            "kernel": self._kernel,
            "toolkit": self._toolkit,
            "lease_s": self._timeouts.lease_s,
            "core_wait_s": None if math.isinf(self._core_wait_s) else self._core_wait_s,
            **described(job),
        }
        content: dict[str, Path | bytes] = {f"{folder}/{layout.LEASE}": b""}
        content |= {f"{folder}/{layout.OUTPUT}/{path}": file for path, file in files.items()}
        if job.stdin is not None:
            content[f"{folder}/{layout.STDIN}"] = job.stdin
        content[f"{folder}/{layout.REQUEST}"] = json.dumps(request).encode()
        transfer.send(connection, content, flag)

    def _follow(self, followed: FollowedJob, sinks: Mapping[str, Sink], flag: Cancel) -> dict[str, Any]:
        """Pass on what the job prints until it has ended, or is to end; returns how."""
        cancelled_at = 0.0
        while True:
            event = next_event(followed, _POLL_S)
            if flag.is_set() and not followed.cancelled:
                cancelled_at = time.monotonic()
                self.job_channel.cancel(followed)
            if event is not None:
                what, value = event
                if what == "end":
                    flag.raise_if_set()
                    return value if isinstance(value, dict) else {}
                if not followed.cancelled:
                    sinks[what](value)
            if not followed.cancelled:
                continue
            if time.monotonic() - cancelled_at > (_ENDING_S if self.job_channel.is_up else _GONE_S):
                raise RunInterrupted(
                    f"interrupted; {self.name} does not answer",
                    hint=f"its job ends by itself within {self._timeouts.lease_s:.0f} s",
                )

    def _fetch(self, connection: Connection, name: str, output: Path, flag: Cancel) -> None:
        said = call(connection, self._toolkit, "contents", {"name": name})
        listed = contents.parse_contents(said, str(connection.address))
        command = module_command(self._toolkit, "send", name)
        retrieval.fetch(connection, listed, command, output, cancel=flag, report=self._report)

    def _remove(self, name: str) -> None:
        """Leave nothing of the job there; what cannot be reached is remembered (`testbed.labs.ssh.owner`)."""
        gone = Cancel()
        gone.set()  # one attempt: the user may be waiting
        try:
            self._connection.use(lambda connection: call(connection, self._toolkit, "remove", {"name": name}), gone)
        except TestbedError:
            self._left = True

    def close(self) -> None:
        """Leave nothing there but toolkit and kernel; what cannot be reached is remembered."""
        was_up = self.job_channel.is_up
        self.job_channel.close()
        if self._left and not was_up:
            return
        with contextlib.suppress(TestbedError):
            once = Cancel()
            once.set()
            self._connection.use(lambda connection: tidy_up(connection, self._owner.id), once)
            self._owner.done = True

    def _call(self, action: str, cancel: Cancel | None = None, **arguments: object) -> Any:
        """Ask about the lab there."""
        every = {"lab": self._lab, "kernel": self._kernel, **arguments}
        return self._connection.use(lambda connection: call(connection, self._toolkit, action, every), cancel)


def _printable(finding: T) -> T:
    """The same, its texts fit for a terminal: they are another machine's."""
    texts = {key: plain(value) for key, value in vars(finding).items() if isinstance(value, str)}
    return dataclasses.replace(finding, **texts)  # type: ignore[type-var]
