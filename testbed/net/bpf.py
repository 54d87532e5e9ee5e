"""A BPF program in the kernel: compiled from C, loaded by libbpf, its maps read back.

The compiler is GCC's (Debian's `gcc-bpf`, a tenth of clang's size). libbpf comes with iproute2; it is
called directly because pyroute2 attaches a program to an interface but does not load one. A program
is freed when nothing refers to it any more: neither this process nor an interface.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import shutil
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from testbed.base.errors import PrerequisiteError, ReadbackError, TestbedError
from testbed.net.netns import Node, inside, interface_index
from testbed.process import CommandLog, run

_LIBRARY = "libbpf.so.1"
Way = Literal["ingress", "egress"]
_TCX: Mapping[Way, int] = {"ingress": 46, "egress": 47}  # BPF_TCX_INGRESS, BPF_TCX_EGRESS, include/uapi/linux/bpf.h
_MOST_PROGRAMS = 64
_MESSAGE_BYTES = 1 << 20
_LOG_BEGINS = "-- BEGIN PROG LOAD LOG --"
_XDP_GENERIC = 1 << 1  # XDP_FLAGS_SKB_MODE
_PrintFunction = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


def compiled(source: Path, name: str, definitions: Mapping[str, object], work: Path, log: CommandLog) -> Path:
    """The object file `name` in `work`, made as `compile_program` does."""
    work.mkdir(parents=True, exist_ok=True)
    # Compiled from a copy, so that the record of commands is the same wherever the toolkit lies.
    copy, binary = Path(shutil.copy(source, work)), work / f"{name}.bpf.o"
    compile_program(copy, binary, definitions, log)
    return binary


def compile_program(source: Path, target: Path, definitions: Mapping[str, object], log: CommandLog) -> None:
    """Compile C with `-Dname=value` for each definition; raises `CommandError` with the compiler's last line."""
    # The kernel's <asm/types.h> is in a directory of the architecture on Debian, beside the others elsewhere.
    includes = [Path("/usr/include"), Path("/usr/include", str(sysconfig.get_config_var("MULTIARCH")))]
    argv = ["bpf-gcc", "-O2", "-gbtf", "-Wall", "-Wextra", "-Werror", "-fno-diagnostics-show-caret"]
    argv += [f"-I{path}" for path in includes]
    argv += [f"-D{name}={value}" for name, value in definitions.items()]
    run([*argv, "-c", str(source), "-o", str(target)], log=log)


@dataclass(frozen=True)
class Program:
    """A loaded object file: the descriptor of its program, and its maps by name."""

    fd: int
    _library: Any
    _object: int

    @property
    def id(self) -> int:
        """The kernel's number for the program."""
        return int(re.findall(r"^prog_id:\s*(\d+)$", Path(f"/proc/self/fdinfo/{self.fd}").read_text(), re.MULTILINE)[0])

    def program_fd(self, name: str) -> int:
        """The descriptor of another program of the file; raises `TestbedError` if there is none."""
        found = self._library.bpf_object__find_program_by_name(self._object, name.encode())
        if not found:
            raise TestbedError(f"BPF program: there is no {name!r} in its file")
        return int(self._library.bpf_program__fd(found))

    def map_fd(self, name: str) -> int:
        """The descriptor of a map; raises `TestbedError` if there is none."""
        map_fd = int(self._library.bpf_object__find_map_fd_by_name(self._object, name.encode()))
        if map_fd < 0:
            raise TestbedError(f"BPF program: it has no map {name!r}")
        return map_fd

    def entries(self, name: str, key_bytes: int, value_bytes: int) -> Iterator[tuple[bytes, bytes]]:
        """Every key and value of a hash map, as the kernel holds them; raises `TestbedError` if there is none."""
        map_fd = self.map_fd(name)
        key, value = ctypes.create_string_buffer(key_bytes), ctypes.create_string_buffer(value_bytes)
        previous = None
        while self._library.bpf_map_get_next_key(map_fd, previous, key) == 0:
            if self._library.bpf_map_lookup_elem(map_fd, key, value) == 0:
                yield key.raw, value.raw
            previous = ctypes.create_string_buffer(key.raw, key_bytes)

    def put(self, name: str, key: bytes, value: bytes) -> None:
        """Set an entry of a map, and read it back; raises `TestbedError`, `ReadbackError`."""
        map_fd = self.map_fd(name)
        if status := self._library.bpf_map_update_elem(map_fd, key, value, 0):
            raise TestbedError(f"BPF program: map {name!r}: {os.strerror(-status)}")
        found = ctypes.create_string_buffer(len(value))
        if self._library.bpf_map_lookup_elem(map_fd, key, found) != 0 or found.raw != value:
            raise ReadbackError(f"BPF program: map {name!r}", value.hex(), found.raw.hex())

    @contextlib.contextmanager
    def at_arrival(self, interface: str) -> Iterator[None]:
        """Have every packet that arrives at an interface of this process's namespace pass the program (XDP).

        In the kernel's generic way, which every interface has; it takes the place of another program. Raises
        `TestbedError` and `ReadbackError`.
        """
        index = interface_index(interface)
        if status := self._library.bpf_xdp_attach(index, self.fd, _XDP_GENERIC, None):
            raise TestbedError(f"BPF program at {interface}: {os.strerror(-status)}")
        try:
            found = ctypes.c_uint32()
            if self._library.bpf_xdp_query_id(index, _XDP_GENERIC, ctypes.byref(found)) or not found.value:
                raise ReadbackError(f"BPF program at {interface}", "one", "none")
            yield
        finally:
            self._library.bpf_xdp_detach(index, _XDP_GENERIC, None)


def attach(path: Path, program: str, node: Node, interface: str, way: Way) -> None:
    """Have an object file's program at an interface (tcx), after those that are there already, for as long as that is.

    Such a program is asked before those of tc's clsact. Raises as `loaded`, and `ReadbackError`.
    """
    library = _library()
    with loaded(path, program) as found, inside(node):
        index, hook = interface_index(interface), _TCX[way]
        if status := library.bpf_prog_attach(found.fd, index, hook, 0):
            raise TestbedError(f"BPF program {program} at {interface} ({way}): {os.strerror(-status)}")
        count, flags = ctypes.c_uint(_MOST_PROGRAMS), ctypes.c_uint()
        ids = (ctypes.c_uint * _MOST_PROGRAMS)()
        library.bpf_prog_query(index, hook, 0, ctypes.byref(flags), ids, ctypes.byref(count))
        if found.id not in list(ids)[: count.value]:
            raise ReadbackError(f"BPF programs at {interface} ({way})", found.id, list(ids)[: count.value])


@contextlib.contextmanager
def loaded(path: Path, program: str) -> Iterator[Program]:
    """Load the object file until the block ends (what is attached to an interface stays there).

    Raises `PrerequisiteError` without libbpf, and `TestbedError` with the verifier's or libbpf's last word
    when the program cannot be loaded.
    """
    library = _library()
    with _messages(library) as said:
        handle = library.bpf_object__open_file(os.fsencode(path), None)
        status = library.bpf_object__load(handle) if handle else -1
    try:
        found = library.bpf_object__find_program_by_name(handle, program.encode()) if status == 0 else None
        if not found:
            raise TestbedError(f"BPF program {path.name}: {_last_word(said) or 'it has no ' + program}")
        yield Program(library.bpf_program__fd(found), library, handle)
    finally:
        if handle:
            library.bpf_object__close(handle)


def _last_word(said: list[str]) -> str:
    """Why a program was not loaded: the end of the verifier's log, before its statistics, if there is one."""
    begin = next((number for number, line in enumerate(said) if line.endswith(_LOG_BEGINS)), len(said) - 2)
    log = said[begin + 1 :]
    before_statistics = list(itertools.takewhile(lambda line: not line.startswith("processed "), log))
    return (before_statistics or log or [""])[-1]


def _library() -> Any:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise PrerequisiteError(f"{_LIBRARY} cannot be loaded: {error}", hint="run: testbed setup") from error
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("libbpf_set_print", pointer, (pointer,)),
        ("bpf_object__open_file", pointer, (text, pointer)),
        ("bpf_object__load", number, (pointer,)),
        ("bpf_object__find_program_by_name", pointer, (pointer, text)),
        ("bpf_object__find_map_fd_by_name", number, (pointer, text)),
        ("bpf_object__close", None, (pointer,)),
        ("bpf_program__fd", number, (pointer,)),
        ("bpf_map_get_next_key", number, (number, pointer, pointer)),
        ("bpf_map_lookup_elem", number, (number, pointer, pointer)),
        ("bpf_map_update_elem", number, (number, pointer, pointer, ctypes.c_uint64)),
        ("bpf_xdp_attach", number, (number, number, ctypes.c_uint32, pointer)),
        ("bpf_xdp_detach", number, (number, ctypes.c_uint32, pointer)),
        ("bpf_xdp_query_id", number, (number, number, pointer)),
        ("bpf_prog_attach", number, (number, number, number, ctypes.c_uint)),
        ("bpf_prog_query", number, (number, number, ctypes.c_uint, pointer, pointer, pointer)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@contextlib.contextmanager
def _messages(library: Any) -> Iterator[list[str]]:
    """What libbpf says, instead of having it on stderr, where its notes on optional things look like errors."""
    said: list[str] = []
    c_library = ctypes.CDLL(None)

    def keep(_level: int, form: bytes, arguments: int) -> int:
        buffer = ctypes.create_string_buffer(_MESSAGE_BYTES)
        length = int(c_library.vsnprintf(buffer, _MESSAGE_BYTES, form, ctypes.c_void_p(arguments)))
        said.extend(line for line in buffer.value.decode(errors="replace").splitlines() if line.strip())
        return length

    callback = _PrintFunction(keep)
    before = library.libbpf_set_print(ctypes.cast(callback, ctypes.c_void_p))
    try:
        yield said
    finally:
        library.libbpf_set_print(before)
