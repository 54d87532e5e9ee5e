"""One use of a cluster: requests to its workers, what they tell meanwhile, and what comes back.

Dask decides which worker gets a request, and gives it to another one if that worker dies. A request takes one thread of
a worker (`dask worker --nthreads`), and a job's guest one core.
"""

from __future__ import annotations

import contextlib
import inspect
import queue
import threading
import time
import types
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cloudpickle

from testbed.base.errors import LabError, RunInterrupted
from testbed.base.text import plain
from testbed.labs.base import Cancel
from testbed.labs.dask.remote import attendant, enter, folder, task
from testbed.labs.ssh.remote import environment, layout, loader

_POLL_S = 0.1
_LOOK_S = 2.0
_ENDING_S = 50.0
_SENT = (layout, environment, folder, enter)  # each after those that it imports

Hear = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Request:
    """What a worker's machine is asked: JSON, files for the output directory, what it may lack, the room it takes.

    `title` is how Dask's dashboard calls it; `files` and `blobs` are as for `task.attend`.
    """

    title: str
    content: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    needed_bytes: int = 0


class Session:
    """Requests through a client of the cluster; `name` is the lab's."""

    def __init__(self, name: str, client: Any) -> None:
        for module in (task, attendant):
            cloudpickle.register_pickle_by_value(module)  # the workers have nothing of ours
        self.name = name
        self.id = f"dask-{uuid.uuid4().hex[:12]}"
        self._client = client
        self._program = _program()
        self._attend, self._look, self._dismiss = map(_travelling, (task.attend, task.look, task.dismiss))
        self._lock = threading.Lock()
        self._heard: dict[str, queue.SimpleQueue[Mapping[str, Any]]] = {}
        self._pythons: dict[str, str] = {}
        client.subscribe_topic(self.id, self._hear)

    def workers(self) -> dict[str, dict[str, Any]]:
        """What each worker says of itself (`task.look`), by its address."""
        try:
            return dict(self._client.run(self._look, on_error="ignore"))
        except (OSError, TimeoutError) as error:
            raise LabError(f"{self.name}: the scheduler does not answer: {error}") from error

    def end(self) -> None:
        """Let the processes end that wait on the workers for more; without this they would in a while."""
        if self._client.status == "running":
            with contextlib.suppress(OSError, TimeoutError):
                self._client.run(self._dismiss, on_error="ignore")

    def addresses(self) -> list[str]:
        """The workers that the cluster has now."""
        try:
            return sorted(self._client.nthreads())
        except (OSError, TimeoutError, ValueError):
            return []

    @property
    def dashboard(self) -> str:
        """The address of Dask's own page on this cluster; empty without one."""
        try:
            return str(self._client.dashboard_link or "")
        except (KeyError, ValueError):
            return ""

    def ask(
        self, request: Request, *, workers: Sequence[str] = (), hear: Hear = lambda _said: None, cancel: Cancel
    ) -> dict[str, Any]:
        """What a worker (one of `workers`, if any are named) has answered; `hear` gets what it tells meanwhile.

        Raises `LabError` where no worker can, `RunInterrupted` once the flag is set and nothing of it runs any more.
        """
        name = f"{request.title}-{uuid.uuid4().hex[:8]}"
        heard: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        with self._lock:
            self._heard[name] = heard
        content = {
            **request.content,
            "name": name,
            "owner": self.id,
            "known": dict(self._pythons),
            "needed_bytes": request.needed_bytes,
        }
        try:
            future = self._client.submit(
                self._attend,
                self._program,
                content,
                request.files,
                request.blobs,
                self.id,
                key=name,
                pure=False,
                workers=list(workers) or None,
            )
            future.add_done_callback(lambda _future: heard.put({"done": True}))
            try:
                self._wait(future, heard, workers, hear, cancel)
                answer = self._result(future, request.title)
            finally:
                future.release()
        finally:
            with self._lock:
                del self._heard[name]
        if python := answer.get("end", {}).get("python"):
            self._pythons[answer["worker"]] = python
        return answer

    def _hear(self, event: tuple[float, Mapping[str, Any]]) -> None:
        said = event[1]
        with self._lock:
            heard = self._heard.get(str(said.get("name")))
        if heard is not None:
            heard.put(said)

    def _wait(
        self,
        future: Any,
        heard: queue.SimpleQueue[Mapping[str, Any]],
        workers: Sequence[str],
        hear: Hear,
        cancel: Cancel,
    ) -> None:
        at_work: set[str] = set()
        looked_s = time.monotonic()
        while True:
            if cancel.is_set():
                self._end(future, heard, at_work)
                cancel.raise_if_set()
            try:
                said = heard.get(timeout=_POLL_S)
            except queue.Empty:
                if workers and time.monotonic() - looked_s > _LOOK_S:
                    looked_s = time.monotonic()
                    if not set(workers) & set(self.addresses()):
                        future.cancel()
                        raise LabError(f"{self.name}: {workers[0]} has left the cluster") from None
                continue
            if "done" in said:
                return
            if "begun" in said:
                at_work.add(said["begun"])
            elif "over" in said:
                at_work.discard(said["over"])
            else:
                hear(said)

    def _end(self, future: Any, heard: queue.SimpleQueue[Mapping[str, Any]], at_work: set[str]) -> None:
        """Nobody wants it any more: wait until the workers that have begun it say that nothing of it runs."""
        future.cancel()
        deadline = time.monotonic() + _ENDING_S
        while at_work and at_work & set(self.addresses()):
            if time.monotonic() > deadline:
                raise RunInterrupted(f"interrupted; {self.name}: {', '.join(sorted(at_work))} does not answer")
            try:
                said = heard.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            at_work.discard(said.get("over", ""))

    def _result(self, future: Any, title: str) -> dict[str, Any]:
        try:
            return dict(future.result(timeout=600))
        except RunInterrupted:
            raise
        except Exception as error:  # Dask's own, and whatever a worker of another make has raised
            kind = type(error).__name__
            if kind == "KilledWorker":
                what = f"{self.name}: the workers that had {plain(title)} died, one after another"
                raise LabError(what, hint="see what ended them: too little memory?") from error
            if future.status in ("cancelled", "lost") or "Cancelled" in kind:
                what = f"{self.name}: the connection to the scheduler was lost"
                raise LabError(what, hint="once it is there again: testbed run --resume") from error
            first = (str(error).splitlines() or ["no message"])[0]
            raise LabError(f"{self.name}: {plain(f'{kind}: {first}')}") from error


def _travelling(function: Any) -> Any:
    """The function as one that is pickled by value: of a module's, Dask sends the name alone, inside of a task."""
    made = types.FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    made.__module__ = "__main__"  # where no other machine looks for it
    return made


def _program() -> bytes:
    """The program for a worker's Python that begins to see to a request, standing on its own."""
    texts = {module.__name__: inspect.getsource(module) for module in _SENT}
    call = f"load({texts!r})\nfrom pathlib import Path\nsys.modules[{enter.__name__!r}].main(Path(sys.argv[1]))\n"
    return f"{inspect.getsource(loader)}\n{call}".encode()
