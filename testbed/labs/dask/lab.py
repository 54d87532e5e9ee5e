"""The lab on a Dask cluster: workers run the jobs in their machines' `uml` labs; output and results come back.

Toolkit and lab kernel are known by their content and sent to a machine that lacks them, by the code of the ssh lab. It
offers the virtual clock alone: a point in real time must be alone on its machine, which no cluster can promise.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from testbed.base.errors import LabError, PrerequisiteError
from testbed.base.needs import Finding, Need
from testbed.kernel import selection
from testbed.kernel.cache import Kernel
from testbed.labs import features, libraries
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard
from testbed.labs.dask import address, cluster, machines
from testbed.labs.dask.agreement import Sample, require_agreement
from testbed.labs.dask.machines import Worker
from testbed.labs.dask.printed import Printed
from testbed.labs.dask.provisions import Provisions
from testbed.labs.dask.remote.folder import RUN
from testbed.labs.dask.session import Request, Session
from testbed.labs.ssh import contents, transfer
from testbed.labs.ssh.lab import JOB_BYTES
from testbed.labs.ssh.remote import layout, protocol
from testbed.labs.ssh.remote.described_job import described
from testbed.labs.ssh.rpc import validated

Report = Callable[[str], None]


@contextlib.contextmanager
def open_dask_lab(
    text: str, kernel: Kernel | None, *, check_share: float = 0.0, report: Report = lambda _what: None
) -> Iterator[DaskLab]:
    """The lab of a cluster (`local`, or its scheduler's address) until the block ends.

    `check_share` is the share of the jobs that two workers do, to be compared. Raises `LabError`, `PrerequisiteError`.
    """
    name = f"dask:{text}"
    with cluster.connected(name, address.parse(text)) as client:
        session = Session(name, client)
        try:
            lab = DaskLab(session, Provisions(kernel or selection.current()), check_share, report)
            if session.dashboard:
                report(f"{name}: Dask shows what its workers do at {session.dashboard}")
            yield lab
            lab.report_agreement()
        finally:
            session.end()


class DaskLab:
    """A `Lab` on the workers of a cluster."""

    clocks: tuple[Clock, ...] = ("virtual",)

    def __init__(self, session: Session, provisions: Provisions, check_share: float, report: Report) -> None:
        self.name = session.name
        self._session = session
        self._provisions = provisions
        self._report = report
        self._said: set[str] = set()
        self._full: set[str] = set()
        self._workers = machines.parse(session.workers(), self.name)
        self._sample = Sample(check_share)
        if check_share and len(self._workers) < 2:
            what = f"{self.name}: it has {len(self._workers)} worker, and two are to do the same points"
            raise PrerequisiteError(what, hint="start another one, or leave out --check-share")
        machines.require_room(self._workers, self.name, JOB_BYTES)
        self._facts = [self._facts_of(worker) for worker in self._places]

    @property
    def _places(self) -> list[Worker]:
        return machines.representatives(self._workers)

    @property
    def machine(self) -> str:
        """This machine, if all workers are on it."""
        return HERE if self.name == f"dask:{address.LOCAL}" else self.name

    @property
    def width(self) -> int:
        """A job for each thread of the workers that were there when the lab was opened."""
        return max(1, sum(worker.threads for worker in self._workers))

    @property
    def ahead(self) -> int:
        """A job more for every second thread, and one at least for each worker: it begins with it at once, while what
        the one before has left is brought here."""
        return sum(max(1, worker.threads // 2) for worker in self._workers)

    def facts(self) -> Mapping[str, Any]:
        """The lab kernel, the toolkit that was sent, and the machines that do the work."""
        kernel = next((each["facts"].get("kernel") for each in self._facts), None)
        others = [{key: of for key, of in each["facts"].items() if key != "kernel"} for each in self._facts]
        return {
            "kernel": kernel,
            "toolkit_sha256": self._provisions.toolkit_sha256,
            "workers": [
                {"host": each.host, "address": each.address, "threads": each.threads} for each in self._workers
            ],
            "machines": [{"host": place.host, **other} for place, other in zip(self._places, others, strict=True)],
            "check_share": self._sample.share,
        }

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        """Raise `PrerequisiteError` unless each machine has what it must have, and its lab what is needed."""
        self._provisions.library = libraries.require(needs) or self._provisions.library
        for worker in self._places:
            missing = [each for each in self._checks(worker, boot=False) if not each["ok"]]
            if missing:
                what = "; ".join(f"{each['name']}: {each['detail']}" for each in missing)
                raise PrerequisiteError(f"{self.name}: {worker}: {what}", hint=f"there: {missing[0]['cure']}")
            features.require(self._probe(worker, needs, cancel), f"{self.name}: {worker}", elsewhere="")

    def probe(self, needs: Collection[Need], cancel: Cancel | None = None) -> list[Finding]:
        """What the first machine of the cluster says of each need."""
        return self._probe(self._places[0], needs, cancel)

    def examine(self, needs: Collection[Need] = (), *, boot: bool = True) -> list[dict[str, Any]]:
        """What `testbed doctor` says on each machine: `name`, `ok`, `detail` and `cure` of each check."""
        said: list[dict[str, Any]] = []
        for worker in self._places:
            found = self._checks(worker, boot=boot)
            found += [finding.as_check() for finding in self._probe(worker, needs, None)]
            said += [{**each, "name": f"{worker.host}: {each['name']}"} for each in found]
        return said

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        """Have a worker run the job, and bring its output here, even if it failed (see `Lab`)."""
        flag = cancel or Cancel()
        flag.raise_if_set()
        request, printed = self._request_of(job), Printed(stdout, stderr)
        answer = self._ask(request, (), printed.hear, flag)
        printed.finish(answer.get("printed", {}))
        again = None
        if self._sample.takes_next() and "result" in answer["end"]:
            others = [each for each in self._session.addresses() if each != answer["worker"]]
            if not others:
                raise LabError(f"{self.name}: no other worker is left to do {request.title} again")
            again = self._ask(request, others, lambda _said: None, flag)
        host = f"{self.name}: {answer.get('host')}"
        if "contents" in answer["end"]:
            listed = contents.parse_contents(answer["end"]["contents"], host)
            found = answer["files"]
            contents.receive(
                listed,
                lambda missing: contents.write_files(found, missing, job.output, host),
                job.output,
                host=host,
                report=self._say,
            )
        if again is not None:
            require_agreement(answer, again, self.name)
            self._sample.agreed += 1
        result = validated(JobResult, self._result(answer), self.name)
        names = [f"{each['host']} ({each['worker']})" for each in (answer, again) if each]
        return dataclasses.replace(result, machine=names[0], repeated_by=names[1] if again else "")

    def report_agreement(self) -> None:
        """Say how many points two workers have done alike."""
        if self._sample.share and self._sample.agreed:
            self._say(f"{self.name}: {self._sample.agreed} points were done by two workers each: the same bytes")

    def _request_of(self, job: Job) -> Request:
        files = {
            f"{layout.OUTPUT}/{name}": path.read_bytes() for name, path in transfer.files_below(job.output).items()
        }
        if job.stdin is not None:
            files[layout.STDIN] = job.stdin.read_bytes()
        content = {"action": RUN, **described(job)}
        return Request(job.output.name.lstrip(".") or layout.OUTPUT, content, files, needed_bytes=JOB_BYTES)

    def _ask(
        self,
        request: Request,
        workers: Sequence[str],
        hear: Callable[[Mapping[str, Any]], None],
        cancel: Cancel,
    ) -> dict[str, Any]:
        """An answer to the request, from a worker that has room, and all that it needs at the second attempt."""
        while True:
            if self._full and not workers:
                workers = [each for each in self._session.addresses() if each not in self._full]
            content = {**request.content, **self._provisions.names()}
            answer = self._session.ask(
                dataclasses.replace(request, content=content), workers=workers, hear=hear, cancel=cancel
            )
            if "no_room" in answer:
                self._full.add(answer["worker"])
                left = [each for each in workers or self._session.addresses() if each not in self._full]
                what = f"{self.name}: worker {answer['host']} ({answer['worker']}): {answer['no_room']}"
                if not left:
                    raise PrerequisiteError(what, hint="make room there: testbed run --resume goes on")
                self._say(f"{what}: the other workers get its points")
                workers = left
            elif "missing" in answer["end"] and not request.blobs:
                self._say(f"{self.name}: sending the toolkit and the lab kernel to {answer['host']}, once")
                request = dataclasses.replace(request, blobs=self._provisions.blobs())
            elif "missing" in answer["end"]:
                raise LabError(f"{self.name}: {answer['host']}: what was sent has not arrived", hint="try again")
            else:
                return answer

    def _result(self, answer: dict[str, Any]) -> Any:
        if "error" in answer["end"]:
            raise protocol.error_from_json(answer["end"]["error"], f"{self.name}: {answer.get('host')}")
        return answer["end"].get("result")

    def _call(self, worker: Worker, action: str, cancel: Cancel | None = None, **arguments: object) -> Any:
        """Ask the lab on a worker's machine: `testbed.labs.ssh.remote.commands`."""
        request = Request(f"testbed-{action}", {"action": action, "arguments": arguments})
        return self._result(self._ask(request, [worker.address], lambda _said: None, cancel or Cancel()))

    def _facts_of(self, worker: Worker) -> dict[str, Any]:
        return validated(dict[str, Any], self._call(worker, "facts"), self.name)

    def _checks(self, worker: Worker, *, boot: bool) -> list[dict[str, Any]]:
        return validated(list[dict[str, Any]], self._call(worker, "check", boot=boot), self.name)

    def _probe(self, worker: Worker, needs: Collection[Need], cancel: Cancel | None) -> list[Finding]:
        wanted = [need.model_dump(mode="json", exclude_defaults=True) for need in needs]
        return validated(list[Finding], self._call(worker, "probe", cancel, needs=wanted), self.name)

    def _say(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._report(what)
