from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.plugins import systemd


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd holds of a unit: the socket that NOTIFY_SOCKET names."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        yield listening


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "8000000"}


def test_states_come_in_one_datagram(manager: socket.socket, environ: dict[str, str]) -> None:
    words = systemd.status("page on port 9\nREADY=0")
    assert systemd.notify(systemd.READY, words, environ=environ)
    assert manager.recv(1000) == b"READY=1\nSTATUS=page on port 9"


def test_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("")  # the kernel chooses an abstract name
        name = "@" + listening.getsockname()[1:].decode()
        assert systemd.notify(systemd.STOPPING, environ={"NOTIFY_SOCKET": name})
        assert listening.recv(1000) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1", "/nonexistent/notify", "/"])
def test_nobody_there_is_no_error(address: str) -> None:
    assert not systemd.notify(systemd.READY, environ={"NOTIFY_SOCKET": address})


def test_the_watchdog_is_fed_by_progress_alone(
    manager: socket.socket, environ: dict[str, str]
) -> None:
    watchdog = systemd.Watchdog(environ)
    assert watchdog.seconds == 2.0
    assert [watchdog.feed(progress) for progress in (0, 1, 1, 2)] == [False, True, False, True]
    assert [manager.recv(1000), manager.recv(1000)] == [b"WATCHDOG=1"] * 2


def test_what_was_not_delivered_is_told_again(tmp_path: Path, environ: dict[str, str]) -> None:
    watchdog = systemd.Watchdog(environ)
    assert not watchdog.feed(1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        assert watchdog.feed(1)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "8000000", "WATCHDOG_PID": str(os.getppid())},
    ],
)
def test_without_a_watchdog_of_this_process_nothing_is_fed(
    settings: dict[str, str], manager: socket.socket, environ: dict[str, str]
) -> None:
    watchdog = systemd.Watchdog({"NOTIFY_SOCKET": environ["NOTIFY_SOCKET"], **settings})
    assert (watchdog.seconds, watchdog.feed(1)) == (None, False)
