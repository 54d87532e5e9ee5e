"""Subflows that a server opens: told by the token of the client's key, or else by where the SYN went."""

from __future__ import annotations

from pathlib import Path

import download_maker as given
import packet_maker as make
from download_maker import MS, analysed, rows, some


def test_a_join_by_the_server_belongs_to_the_connection_and_its_sender_is_no_client(tmp_path: Path) -> None:
    found = analysed(tmp_path, [*given.download(), *given.join_by_server()])
    (row,) = rows(found, "connections")
    assert some(row, "subflows", "server", "server_evidence") == (2, make.UNIQUE, "connection")
    assert found.names() == {"service": [make.VIP], "unique": [make.UNIQUE], "clients": [make.CLIENT]}
    assert [some(each, "kind", "opened_by", "path") for each in rows(found, "subflows")] == [
        ("initial", "client", "director"), ("join", "server", "past"),
    ]  # fmt: skip


def test_a_server_joins_a_further_address_of_the_client(tmp_path: Path) -> None:
    found = analysed(tmp_path, [*given.download(), *given.join_by_server(dst=make.CLIENT_DIRECT)])
    (row,) = rows(found, "connections")
    assert row["subflows"] == 2
    assert found.names()["clients"] == [make.CLIENT, make.CLIENT_DIRECT]


def test_a_server_joins_from_the_service_address_itself(tmp_path: Path) -> None:
    found = analysed(tmp_path, [*given.download(), *given.join_by_server(src=make.VIP)])
    (row,) = rows(found, "connections")
    assert row["subflows"] == 2
    assert found.names()["unique"] == []


def test_without_the_clients_key_the_address_tells_and_the_join_stays_apart(tmp_path: Path) -> None:
    frames = given.download()
    found = analysed(tmp_path, [*frames[:2], *frames[3:], *given.join_by_server()])
    assert found.names()["clients"] == [make.CLIENT]
    assert [row["subflows"] for row in rows(found, "connections")] == [1, 1]


def test_a_host_that_is_a_client_elsewhere_joins_as_a_server(tmp_path: Path) -> None:
    """Two hosts that each open connections to the other: the token says which of them a join serves."""
    other = make.packet(make.UNIQUE, make.CLIENT, 6000, 80, make.SYN, seq=9, options=make.mp_capable())
    found = analysed(tmp_path, [*given.download(), (given.T + 150 * MS, other), *given.join_by_server()])
    first = rows(found, "connections")[0]
    assert first["subflows"] == 2
    assert [each["opened_by"] for each in rows(found, "subflows") if each["kind"] == "join"] == ["server"]
