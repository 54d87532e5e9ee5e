"""A program that reads sockets as `ab` does, to be run with the library preloaded: `small_reader.py SCENARIO`.

Each scenario asserts what a program must see with the library and without it. The library works on `read`,
`epoll_ctl`, `epoll_wait` and `close` of the C library, which are what `os.read`, `select.epoll` and `close` call.
"""

from __future__ import annotations

import os
import resource
import select
import socket
import struct
import sys
import time
from pathlib import Path

from page_server import pattern

SMALL = 8192
LARGE = 65536


def _pair() -> tuple[socket.socket, socket.socket]:
    """A connection over the loopback; the second end does not block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # All that is sent has room while nobody reads, in whatever pieces it comes.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sender = socket.create_connection(listener.getsockname())
        receiver = listener.accept()[0]
    receiver.setblocking(False)
    return sender, receiver


def _arrived(receiver: socket.socket, size: int) -> None:
    while _waiting(receiver) < min(size, LARGE):
        time.sleep(0.001)


def _waiting(receiver: socket.socket) -> int:
    try:
        return len(receiver.recv(LARGE, socket.MSG_PEEK))
    except BlockingIOError:  # what has been sent is still under way, on a loopback with other work, too
        return 0


def _send(sender: socket.socket, receiver: socket.socket, content: bytes) -> None:
    sender.sendall(content)
    _arrived(receiver, len(content))


def _read_all(poll: select.epoll, receiver: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        assert poll.poll(5) == [(receiver.fileno(), select.EPOLLIN)]
        got += os.read(receiver.fileno(), SMALL)
    return got


def _would_block(receiver: socket.socket) -> bool:
    try:
        os.read(receiver.fileno(), SMALL)
    except BlockingIOError:
        return True
    return False


def content() -> None:
    """The same bytes in the same order, by reads of any size; EAGAIN behind them, readiness until then."""
    sender, receiver = _pair()
    with select.epoll() as poll:
        poll.register(receiver, select.EPOLLIN)
        wanted = pattern(60_000)
        for size in (1, 7, 8192, 8193, 59_999, 65_535, 65_536, 100_000):
            _send(sender, receiver, wanted)
            got = b""
            while len(got) < len(wanted):
                assert poll.poll(5) == [(receiver.fileno(), select.EPOLLIN)]
                for _ in range(1000 if size < 10 else 1):
                    got += os.read(receiver.fileno(), min(size, len(wanted) - len(got)))
            assert got == wanted, size
            assert poll.poll(0) == []
            assert _would_block(receiver)


def end_of_file() -> None:
    """The end only behind the last byte; told again and again."""
    sender, receiver = _pair()
    with select.epoll() as poll:
        poll.register(receiver, select.EPOLLIN)
        sender.sendall(pattern(40_000))
        sender.close()
        _arrived(receiver, 40_000)
        assert _read_all(poll, receiver, 40_000) == pattern(40_000)
        for _ in range(2):
            assert poll.poll(5)[0][1] & select.EPOLLIN
            assert os.read(receiver.fileno(), SMALL) == b""


def reset() -> None:
    """An error only behind the last byte that was there, and once."""
    sender, receiver = _pair()
    with select.epoll() as poll:
        poll.register(receiver, select.EPOLLIN)
        _send(sender, receiver, pattern(40_000))
        got = os.read(receiver.fileno(), SMALL)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sender.close()
        try:
            while more := os.read(receiver.fileno(), SMALL):
                got += more
        except ConnectionResetError:
            pass
        else:
            raise AssertionError("no error")
        assert got == pattern(40_000)
        assert poll.poll(5)[0][1] & select.EPOLLHUP
        assert os.read(receiver.fileno(), SMALL) == b""


def many() -> None:
    """Each of many connections gets its own bytes; all that are ready are told of, however few a call may name."""
    pairs = [_pair() for _ in range(200)]
    receivers = {receiver.fileno(): receiver for _, receiver in pairs}
    wanted = {receiver.fileno(): pattern(50_000 + number)[number:] for number, (_, receiver) in enumerate(pairs)}
    with select.epoll() as poll:
        for sender, receiver in pairs:
            poll.register(receiver, select.EPOLLIN)
            _send(sender, receiver, wanted[receiver.fileno()])
        got = dict.fromkeys(wanted, b"")
        for most in (200, 3, 1):
            for handle, event in poll.poll(5, most):
                assert event == select.EPOLLIN
                got[handle] += os.read(handle, SMALL)
        assert len(poll.poll(5)) == 200
        seen: set[int] = set()
        while len(seen) < 200:
            ready = poll.poll(5, 7)
            assert len(ready) == 7
            seen |= {handle for handle, _ in ready}
            got[ready[0][0]] += os.read(ready[0][0], 1)
        while got != wanted:
            for handle, _ in poll.poll(5):
                got[handle] += os.read(handle, SMALL)
        assert poll.poll(0) == []
    for handle in receivers:
        assert wanted[handle] == got[handle]


def not_starved() -> None:
    """Who reads nothing of what is kept still hears of the others."""
    (first, kept), (second, other) = _pair(), _pair()
    with select.epoll() as poll:
        poll.register(kept, select.EPOLLIN)
        poll.register(other, select.EPOLLIN)
        _send(first, kept, pattern(40_000))
        os.read(kept.fileno(), SMALL)
        _send(second, other, b"x")
        seen: set[int] = set()
        for _ in range(3):
            seen |= {handle for handle, _ in poll.poll(5)}
        assert seen == {kept.fileno(), other.fileno()}


def interest() -> None:
    """What nobody waits for is not told of: neither outside of the set, nor when only output is of interest."""
    sender, receiver = _pair()
    with select.epoll() as poll:
        poll.register(receiver, select.EPOLLIN)
        _send(sender, receiver, pattern(40_000))
        got = os.read(receiver.fileno(), SMALL)
        poll.unregister(receiver)
        assert poll.poll(0) == []
        got += os.read(receiver.fileno(), SMALL)
        poll.register(receiver, select.EPOLLOUT)
        assert poll.poll(0) == [(receiver.fileno(), select.EPOLLOUT)]
        poll.modify(receiver, select.EPOLLIN)
        assert got + _read_all(poll, receiver, 40_000 - len(got)) == pattern(40_000)


def reuse() -> None:
    """A descriptor that is closed with bytes kept and opened anew has none of them; nor has another kind of file."""
    for _ in range(3):
        sender, receiver = _pair()
        with select.epoll() as poll:
            poll.register(receiver, select.EPOLLIN)
            _send(sender, receiver, pattern(40_000))
            assert os.read(receiver.fileno(), SMALL) == pattern(SMALL)
            number = receiver.fileno()
            receiver.close()
            assert poll.poll(0) == []
            new, again = socket.socketpair()
            new.setblocking(False)
            assert new.fileno() == number
            poll.register(new, select.EPOLLIN)
            assert poll.poll(0) == []
            assert _would_block(new)
            _send(again, new, b"new")
            assert os.read(new.fileno(), SMALL) == b"new"
            new.close()
        sender.close()
        again.close()
        file = os.open(__file__, os.O_RDONLY)
        assert os.read(file, SMALL) == Path(__file__).read_bytes()[:SMALL]
        os.close(file)


def other_kinds() -> None:
    """Datagrams stay whole; edge-triggered readers, and what is in two sets, are left to the kernel."""
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with select.epoll() as poll:
        poll.register(two, select.EPOLLIN)
        one.send(b"a" * 20)
        one.send(b"b" * 20)
        assert os.read(two.fileno(), 10) == b"a" * 10
        assert os.read(two.fileno(), 100) == b"b" * 20
    sender, receiver = _pair()
    with select.epoll() as poll, select.epoll() as second:
        poll.register(receiver, select.EPOLLIN | select.EPOLLET)
        _send(sender, receiver, pattern(40_000))
        assert poll.poll(5) == [(receiver.fileno(), select.EPOLLIN)]
        got = os.read(receiver.fileno(), SMALL)
        assert receiver.recv(LARGE) == pattern(40_000)[len(got) :]
        poll.modify(receiver, select.EPOLLIN)
        second.register(receiver, select.EPOLLIN)
        _send(sender, receiver, pattern(40_000))
        os.read(receiver.fileno(), SMALL)
        for each in (poll, second):
            assert each.poll(5) == [(receiver.fileno(), select.EPOLLIN)]


def memory() -> None:
    """What was kept of a connection goes with it."""
    sizes = []
    for number in range(3000):
        sender, receiver = _pair()
        with select.epoll() as poll:
            poll.register(receiver, select.EPOLLIN)
            _send(sender, receiver, b"x" * 20_000)
            os.read(receiver.fileno(), SMALL)
            receiver.close()
        sender.close()
        if number in (300, 2999):
            sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert sizes[1] - sizes[0] < 4000, sizes


def idle_descriptors() -> None:
    """What a read costs does not grow with the descriptors that have nothing to read."""
    sender, receiver = _pair()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    last = os.eventfd(0)

    def cost_s() -> float:
        began_s = time.process_time()
        for _ in range(100):
            _send(sender, receiver, b"x" * 60_000)
            _read_all(poll, receiver, 60_000)
        return time.process_time() - began_s

    with select.epoll() as poll:
        poll.register(receiver, select.EPOLLIN)
        alone_s = min(cost_s() for _ in range(5))
        poll.register(os.dup2(last, min(hard, 16384) - 1), select.EPOLLIN)
        assert min(cost_s() for _ in range(5)) < 2 * alone_s


SCENARIOS = {
    each.__name__: each
    for each in (
        content, end_of_file, reset, many, not_starved, interest, reuse, other_kinds, memory, idle_descriptors,
    )
}  # fmt: skip

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]]()
