"""What a scrape costs beside the making of the page: HTTP, gzip, TLS and passwords.

A process serves a page of --bytes, another one asks for it over the loopback. CPU is the server's,
all threads together, by scrape. The last line is one JSON object with the bytes of the page and,
for each case, the medians of --runs and each run: cpu_us, wall_us.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from jobmend.exporter.endpoint import Endpoint
from jobmend.exporter.web.config import load_web_config

LINE = b'jobmend_job_cpu_user_seconds_total{scheduler="slurm",jobid="%d",run="0"} %d.%06d\n'
# The hash is that of the password "bench", at a cost of 10.
USERS = "basic_auth_users: {bench: $2b$10$ylbqPWTIk6pJe6YqedbP4eE/OLDcdygtce0JIKgnEDJt1Q35k./Vq}\n"
CREDENTIALS = "Basic " + b64encode(b"bench:bench").decode()
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"


class Case(NamedTuple):
    """How is asked: over one connection or many, and for what."""

    keep: bool = True
    gzip: bool = False
    web: str = ""  # content of the web configuration file


CASES = {
    "new connections": Case(keep=False),
    "one connection": Case(),
    "one connection, gzip": Case(gzip=True),
    "one connection, password": Case(web=USERS),
    "one connection, TLS and password": Case(web=TLS + USERS),
    "new connections, TLS and password": Case(keep=False, web=TLS + USERS),
}


def page_of(size: int) -> bytes:
    """About ``size`` bytes that look like metrics."""
    count = size // 85
    return b"".join(LINE % (100_000 + i % 977, i * 7919, i * 104_729 % 10**6) for i in range(count))


def serve(case: Case, size: int, folder: Path, pipe: Connection) -> None:
    """Serve in this process: tell the port, then the CPU spent (seconds) at each question."""
    (folder / "web.yml").write_text(case.web)
    web = load_web_config(str(folder / "web.yml") if case.web else "")
    page = page_of(size)
    endpoint = Endpoint("127.0.0.1:0", lambda openmetrics: page, lambda: True, web)
    endpoint.start()
    pipe.send(endpoint.port)
    while pipe.recv():
        pipe.send(time.process_time())
    endpoint.stop()


@contextlib.contextmanager
def server(case: Case, size: int, folder: Path) -> Iterator[tuple[int, Connection]]:
    """A process that serves; its port and the pipe to it."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(case, size, folder, there)
    )
    process.start()
    try:
        yield here.recv(), here
        here.send(False)
        process.join(10)
    finally:
        process.kill()


def scrape(case: Case, port: int, folder: Path, count: int) -> None:
    """Ask ``count`` times."""
    headers = {"Accept-Encoding": "gzip" if case.gzip else "identity"}
    if USERS in case.web:
        headers["Authorization"] = CREDENTIALS
    context = ssl.create_default_context(cafile=str(folder / "server.pem"))
    client: http.client.HTTPConnection | None = None
    for _ in range(count):
        if client is None:
            client = (
                http.client.HTTPSConnection("127.0.0.1", port, context=context)
                if TLS in case.web
                else http.client.HTTPConnection("127.0.0.1", port)
            )
        client.request("GET", "/metrics", headers=headers)
        answer = client.getresponse()
        if answer.status != 200 or not answer.read():
            raise SystemExit(f"the endpoint answered {answer.status}")
        if not case.keep:
            client.close()
            client = None


def measure(case: Case, size: int, folder: Path, count: int) -> dict[str, float]:
    """One run of one case."""
    with server(case, size, folder) as (port, pipe):
        scrape(case, port, folder, 20)  # the password is checked, the memory is had
        pipe.send(True)
        cpu = pipe.recv()
        began = time.perf_counter()
        scrape(case, port, folder, count)
        wall = time.perf_counter() - began
        pipe.send(True)
        cpu = pipe.recv() - cpu
    return {"cpu_us": round(cpu / count * 1e6, 1), "wall_us": round(wall / count * 1e6, 1)}


def make_certificate(folder: Path) -> None:
    """A key on the curve that most take today, and its certificate."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    out = ["-keyout", f"{folder}/server.key", "-out", f"{folder}/server.pem", "-days", "1"]
    names = ["-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", "req", "-x509", *key, *out, *names], check=True, capture_output=True)


def main() -> int:
    """Measure every case and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bytes", type=int, default=200_000, help="of the page")
    parser.add_argument("--scrapes", type=int, default=1000, help="a run")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    result: dict[str, object] = {"bytes": len(page_of(options.bytes)), "scrapes": options.scrapes}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_certificate(folder)
        for title, case in CASES.items():
            runs = [
                measure(case, options.bytes, folder, options.scrapes) for _ in range(options.runs)
            ]
            medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            print(f"{title}: {medians}", file=sys.stderr)
            result[title] = {**medians, "runs": runs}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
