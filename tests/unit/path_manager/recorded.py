"""Datagrams that real kernels sent, one a line in hexadecimal."""

from __future__ import annotations

from pathlib import Path

from testbed.net.mptcp_pm.events import Event, decode

DATA = Path(__file__).with_name("data")


def datagrams(name: str) -> list[bytes]:
    lines = (DATA / f"{name}.hex").read_text().splitlines()
    return [bytes.fromhex(line) for line in lines if not line.startswith("#")]


def events(name: str, family_id: int) -> list[Event | int]:
    return [event for data in datagrams(name) for event in decode(data, family_id)]
