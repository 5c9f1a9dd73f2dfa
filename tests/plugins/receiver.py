"""A real socket in the agent's place."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jobmend.jobs import wire
from jobmend.jobs.events import JobEvent


@dataclass
class Receiver:
    """Listens at ``path`` as the agent does; all datagrams are read at once and kept."""

    path: Path
    datagrams: list[bytes] = field(default_factory=list)

    def listen(self) -> Callable[[], None]:
        """Start receiving; returns how to stop."""
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        channel.bind(str(self.path))
        self.path.chmod(0o666)

        def receive() -> None:
            while data := channel.recv(65536):
                self.datagrams.append(data)

        thread = threading.Thread(target=receive)
        thread.start()

        def stop() -> None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"", str(self.path))
            thread.join()
            channel.close()
            self.path.unlink()

        return stop

    def events(self, job_id: str) -> list[JobEvent]:
        """What the hooks told of one job, in order of arrival."""
        messages = [wire.loads(data) for data in self.datagrams]
        return [
            message
            for message in messages
            if isinstance(message, JobEvent) and message.run.job_id == job_id
        ]
