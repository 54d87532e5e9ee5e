"""The netlink socket: the kernel's answers and its refusals, on this machine's own kernel, which nothing changes."""

from __future__ import annotations

import errno
import struct
import subprocess
import sys

import pytest

from testbed.net import netlink
from testbed.net.codecs import ifaddrmsg
from testbed.net.netlink import Netlink, Refused

GET_ADDRESSES, ERROR, INTERRUPTED = 22, 2, 0x10


def test_a_dump_has_every_entry_in_the_class_of_its_request() -> None:
    request = ifaddrmsg()
    with Netlink(netlink.ROUTE) as socket:
        first = socket.ask(request, GET_ADDRESSES, netlink.DUMP)
        second = socket.ask(ifaddrmsg(), GET_ADDRESSES, netlink.DUMP)
    assert all(isinstance(answer, ifaddrmsg) for answer in first)
    addresses = [[answer.get_attr("IFA_ADDRESS") for answer in answers] for answers in (first, second)]
    assert addresses[0] == addresses[1]


def test_a_family_of_generic_netlink_has_its_id_and_its_groups() -> None:
    with Netlink(netlink.GENERIC) as socket:
        family = socket.family("nlctrl")
    assert family.id == 16
    assert "notify" in family.groups


def test_a_family_that_is_not_there_is_refused_with_its_errno() -> None:
    with Netlink(netlink.GENERIC) as socket, pytest.raises(Refused) as refusal:
        socket.family("no-such")
    assert refusal.value.code == errno.ENOENT
    assert str(refusal.value).startswith("ENOENT: ")


def message(kind: int, sequence: int, *, flags: int = 0, body: bytes = b"") -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body


def test_an_answer_to_an_earlier_request_is_passed_over() -> None:
    refused = struct.pack("=i", -errno.EPERM) + message(GET_ADDRESSES, 7)
    done = struct.pack("=i", 0) + message(GET_ADDRESSES, 1)
    with Netlink(netlink.ROUTE) as socket:
        socket._sequence = 1
        assert not socket._take(message(ERROR, 7, body=refused), ifaddrmsg, [])
        assert socket._take(message(ERROR, 7, body=refused) + message(ERROR, 1, body=done), ifaddrmsg, [])


def test_a_table_that_changed_while_it_was_read_is_no_answer() -> None:
    with Netlink(netlink.ROUTE) as socket, pytest.raises(Refused, match="EINTR"):
        socket._take(message(20, 0, flags=INTERRUPTED, body=bytes(8)), ifaddrmsg, [])


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_the_message_classes_come_without_the_rest_of_pyroute2() -> None:
    code = "import sys, testbed.net.codecs; print(sum(n.startswith('pyroute2') for n in sys.modules))"
    assert int(run_python(code)) < 15


def test_who_asks_pyroute2_for_a_name_has_all_of_it() -> None:
    code = "import testbed.net.codecs, pyroute2; from pyroute2 import IPRoute, netns; print(IPRoute().asyncore and 1)"
    assert run_python(f"{code}; print(pyroute2.__version__, len(pyroute2.modules) > 10)").endswith("True")


def test_the_agent_needs_neither_asyncio_nor_what_only_the_host_needs() -> None:
    code = "import sys, experiments.agent; print(*sorted({n.split('.')[0] for n in sys.modules}))"
    found = set(run_python(code).split())
    assert not found & {"asyncio", "click", "dask", "jinja2", "matplotlib", "numpy", "paramiko", "pyarrow", "rich"}
