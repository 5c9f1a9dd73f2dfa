"""The operators' command line against a brain on a real socket."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx2
import pytest
import uvicorn
from click.testing import CliRunner, Result

from jobmend.brain import recommendations
from jobmend.brain.api.app import create_app
from jobmend.brain.brain import Brain
from jobmend.brain.cli import tables
from jobmend.brain.cli.client import read_settings
from jobmend.brain.cli.program import main
from jobmend.brain.cli.tables import Table
from jobmend.brain.config import ConfigError
from jobmend.brain.models import training
from jobmend.jobs.actions import Action, ActionKind, Advice, Evidence
from jobmend.jobs.identity import Workflow
from jobmend.plugins.scheduler import Nodes, Outage
from tests.brain.scene import NOW, OK, OOM, MemoryScheduler, config_of, ended, run_of

CALL = "from jobmend.brain.cli.program import main; main()"
HOSTILE = "w\x1b[2J[bold]x[/]\u202e\r\nforged"


@dataclass
class Desk:
    """An operator's terminal beside a served brain."""

    brain: Brain
    scheduler: MemoryScheduler
    env: dict[str, str]

    def __call__(self, *arguments: str, **env: str) -> Result:
        return CliRunner().invoke(main, arguments, env={**self.env, **env})


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    scheduler = MemoryScheduler()
    config = config_of(tmp_path, settle_seconds=0, poll_seconds=0.05, nodes_seconds=0.05)
    app = create_app(config, {("c1", "memory"): scheduler})
    service = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=service.run)
    thread.start()
    while not service.started:
        time.sleep(0.01)
    port = service.servers[0].sockets[0].getsockname()[1]
    env = {
        "JOBMEND_URL": f"http://127.0.0.1:{port}",
        "JOBMEND_TOKEN_FILE": str(tmp_path / "tokens" / "operator"),
        "HOME": str(tmp_path),
    }
    yield Desk(app.state.brain, scheduler, env)
    service.should_exit = True
    thread.join()


def propose(brain: Brain, workflow: str = "w1", evidence: str = "1 of 2") -> None:
    action = Action(ActionKind.RECOVER, memory_bytes=2 << 30, sites_avoid=(workflow,))
    advice = Advice(
        "memory", action, (run_of(1),), {action.kind: 0.9}, (Evidence("rule", evidence),)
    )
    with brain.store.write() as db:
        recommendations.propose(db, Workflow("c1", workflow), advice, "", NOW)


def tell(desk: Desk) -> None:
    """Have one run out of memory, and wait until the brain has judged it."""
    desk.scheduler.events = [*ended(1, OOM), *ended(2, OK)]
    deadline = time.monotonic() + 60
    while "memory" not in desk("recommend").stdout and time.monotonic() < deadline:
        time.sleep(0.05)


def test_look_decide_and_see_what_became_of_it(desk: Desk) -> None:
    tell(desk)
    header, row = desk("recommend", "--state", "proposed").stdout.splitlines()
    assert header.split("\t")[:4] == ["ID", "WORKFLOW", "CAUSE", "ACTION"]
    assert row.split("\t")[:3] == ["1", "c1/w1", "memory"]
    dry = desk("apply", "1", "--dry-run")
    assert dry.stdout.splitlines()[1].split("\t")[:3] == ["1", "planned", "recover 1"]
    assert dry.stderr == "recommendation 1 is proposed\n"
    assert desk.scheduler.executed == []
    applied = desk("apply", "1")
    assert (applied.exit_code, applied.stderr) == (0, "recommendation 1 is applied\n")
    assert applied.stdout.splitlines()[1].split("\t")[1] == "done"
    shown = desk("show", "1").stdout
    assert "follow-up       c1/memory/1/1" in shown and "state           applied" in shown
    document = json.loads(desk("show", "1", "--json").stdout)
    assert document["recommendation"]["follow_ups"][0]["run"] == "1"
    again = desk("apply", "1")
    assert again.exit_code == 1
    assert again.stderr.startswith("Error: recommendation 1 is applied; only a proposed one")


def test_a_failed_step_exits_1(desk: Desk) -> None:
    tell(desk)
    desk.scheduler.broken["1"] = OSError("no such partition")
    failed = desk("apply", "1")
    assert failed.exit_code == 1
    assert "Error: a step failed; jobmend show 1 says why" in failed.stderr
    assert "no such partition" in desk("show", "1").stdout


def test_reject_and_jobs(desk: Desk) -> None:
    tell(desk)
    assert desk("reject", "1", "--why", "known").stderr == "recommendation 1 is rejected\n"
    assert "operator " in desk("show", "1").stdout and "known" in desk("show", "1").stdout
    lines = desk("jobs", "--workflow", "w1").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["RUN", "c1/memory/1/0", "c1/memory/2/0"]
    assert lines[1].split("\t")[6] == "out of memory"
    assert json.loads(desk("jobs", "--workflow", "w2", "--json").stdout) == {"jobs": []}
    listed = json.loads(desk("recommend", "--json").stdout)["recommendations"]
    assert [(it["id"], it["state"]) for it in listed] == [(1, "rejected")]


def test_sites_with_their_past(desk: Desk) -> None:
    begun = time.time() - 600
    outage = Outage("n1", begun, None, "DRAIN", HOSTILE)
    desk.scheduler.told_nodes = Nodes({"s1": ("n1",), HOSTILE: ("n2",)}, (outage,))
    deadline = time.monotonic() + 60
    while "bad" not in (told := desk("sites").stdout) and time.monotonic() < deadline:
        time.sleep(0.05)
    header, first, second = told.splitlines()
    assert header.split("\t") == ["CLUSTER", "SITE", "STATUS", "SINCE", "NODES", "OUT", "REASON"]
    cells = first.split("\t")
    assert cells[:3] == ["c1", "s1", "bad"] and cells[4:6] == ["1", "1"]
    assert cells[6].startswith("n1 DRAIN: w")
    assert second.split("\t")[2:] == ["unknown", "-", "1", "0", "-"]
    history = [line.split("\t") for line in desk("sites", "--history").stdout.splitlines()]
    assert [row[4:6] for row in history] == [["NODE", "STATE"], ["-", "bad"], ["n1", "DRAIN"]]
    for shown in (told, desk("sites", "--history").stdout, desk("sites", "--json").stdout):
        assert "\x1b" not in shown and "\u202e" not in shown
    (s1,) = (it for it in json.loads(desk("sites", "--json").stdout)["sites"] if it["spells"])
    assert (s1["nodes_out"], s1["outages"][0]["since"]) == (1, begun)
    assert (
        "site s1 of cluster c1 is bad: 1 of 1 nodes are out"
        in httpx2.get(desk.env["JOBMEND_URL"], timeout=60).text
    )


def test_exit_codes(desk: Desk, tmp_path: Path) -> None:
    assert desk("show", "99").exit_code == 1
    assert desk("show", "0").exit_code == 2
    assert desk("reject", "1").exit_code == 2
    assert desk("recommend", "--state", "lost").exit_code == 2
    for command in (("recommend",), ("show", "1"), ("jobs",)):
        gone = desk(*command, JOBMEND_URL="http://127.0.0.1:9")
        assert (gone.exit_code, gone.stdout) == (3, "")
        assert "no brain answers at http://127.0.0.1:9" in gone.stderr
    for address in ("http://here:port", "127.0.0.1:8807", "ftp://here", "http://"):
        wrong = desk("recommend", JOBMEND_URL=address)
        assert (wrong.exit_code, "JOBMEND_URL" in wrong.stderr) == (2, True), address
    propose(desk.brain)
    assert desk("apply", "1", JOBMEND_TOKEN_FILE="").exit_code == 2
    ingest = str(tmp_path / "tokens" / "ingest")
    refused = desk("apply", "1", JOBMEND_TOKEN_FILE=ingest)
    assert (refused.exit_code, "operator token" in refused.stderr) == (1, True)
    assert ingest in refused.stderr, "the place"
    os.chmod(ingest, 0o644)
    assert "chmod 600" in desk("apply", "1", JOBMEND_TOKEN_FILE=ingest).stderr


class Stranger(BaseHTTPRequestHandler):
    """A server that is no brain."""

    def do_GET(self) -> None:
        self.send_response(404 if "recommendations" in self.path else 200)
        self.end_headers()
        self.wfile.write(b'{"jobs": 1}')

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_what_is_no_brain_is_a_bad_answer(desk: Desk) -> None:
    with HTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{stranger.server_port}"
        jobs, recommend = desk("jobs", JOBMEND_URL=url), desk("recommend", JOBMEND_URL=url)
        checked = desk("doctor", "--json", "--agent", url, JOBMEND_URL=url)
        stranger.shutdown()
    assert (jobs.exit_code, recommend.exit_code, checked.exit_code) == (1, 1, 1)
    assert "not as a jobmend brain" in jobs.stderr
    assert f"{url}/api/v1/recommendations answered 404" in recommend.stderr
    found = {finding["check"]: finding for finding in json.loads(checked.stdout)}
    assert found["brain"]["level"] == "bad"
    assert "no page of an agent" in found["agent"]["text"]


def test_hostile_names_do_not_reach_the_terminal(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    propose(desk.brain, HOSTILE, HOSTILE)
    for arguments in (("recommend",), ("show", "1"), ("recommend", "--json"), ("jobs",)):
        out = desk(*arguments).stdout
        assert "\x1b" not in out and "\u202e" not in out and "\r" not in out
        assert "\nforged" not in out
    assert len(desk("recommend").stdout.splitlines()) == 2
    tables.show(Table(("NAME",), [(HOSTILE,)]), terminal=True)
    boxed = capsys.readouterr().out
    assert "[bold]x[/]" in boxed, "markup is text"
    assert "\x1b[2J" not in boxed and "\u202e" not in boxed


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_fits_its_terminal_and_loses_nothing_but_the_ends_of_endless_words(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    keys = [f"pool/htcondor/schedd.example#{number}.0#1795300026/1" for number in range(3)]
    rows = [[key, "w" * 200, "2026-11-21T23:54:42Z", "out of memory"] for key in keys]
    tables.show(Table(("RUN", "WORKFLOW", "STARTED", "EXIT"), rows), terminal=True)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width and len(lines) < 25
    assert all("2026-11-21T23:54:42Z" in line for line in lines if " out of" in line), "whole"
    folded = "".join(line.split("  ")[0].strip() for line in lines[2:])
    assert folded == "".join(keys)


@pytest.mark.parametrize(("width", "heads"), [(80, 2), (200, 1)])
def test_sentences_that_do_not_fit_beside_their_rows_come_below(
    width: int, heads: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    why = "the trace is unlike all 1200 windows that the champion learned from"
    rows = [
        [f"{number:010}", "traces", "2026-11-21T23:54:42Z", "waiting", why] for number in (1, 2)
    ]
    tables.show(Table(("ID", "SUBJECT", "OF", "STATE", "WHY"), rows), terminal=True)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.startswith("ID ") for line in lines) == heads
    assert " ".join(" ".join(lines).split()).count(why) == 2
    assert [line[:10] for line in lines].count("0000000001") == heads
    tables.show(Table(("ID", "SUBJECT", "OF", "STATE", "WHY"), rows), terminal=False)
    assert capsys.readouterr().out.splitlines()[1] == "\t".join(rows[0])


def test_a_list_that_ends_at_its_limit_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    propose(desk.brain)
    assert desk("recommend").stderr == ""
    monkeypatch.setattr("jobmend.brain.cli.program.NEWEST", 1)
    assert "the newest 1 are shown" in desk("recommend").stderr
    assert desk("recommend", "--json").stderr == ""


def test_a_table_of_nothing_says_so_beside_the_data(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    found = desk("recommend", "--state", "failed")
    assert found.stdout.count("\n") == 1 and found.stdout.startswith("ID\t")
    assert "there is no such recommendation" in found.stderr
    assert "no champion yet" in desk("models", "history").stderr
    tables.show(Table(("ID",), (), "nothing"), terminal=True)
    assert capsys.readouterr() == ("", "nothing\n")


def test_settings_come_from_the_environment_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "jobmend.toml"
    file.write_text("url = 'http://a:1'\ntoken_file = '/t'\n")
    assert read_settings({}, (file,)).url == "http://a:1"
    chosen = read_settings({"JOBMEND_URL": "http://b:2"}, (tmp_path / "none", file))
    assert (chosen.url, chosen.token_file) == ("http://b:2", Path("/t"))
    assert read_settings({}, ()).url == "http://127.0.0.1:8807"
    for text in ("url = 1", "colour = 'red'", "url ="):
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"jobmend\.toml"):
            read_settings({}, (file,))


@pytest.mark.parametrize("command", [("recommend",), ("recommend", "--json"), ("show", "1")])
def test_a_full_disk_is_one_sentence(desk: Desk, command: tuple[str, ...]) -> None:
    propose(desk.brain)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", CALL, *command],
            stdout=full, stderr=subprocess.PIPE, text=True, env={**os.environ, **desk.env},
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["Error: standard output: No space left on device"]


def test_who_reads_a_part_hears_no_complaint(desk: Desk) -> None:
    for number in range(300):
        propose(desk.brain, f"w{number}")
    for form in ([], ["--json"]):
        with subprocess.Popen(
            [sys.executable, "-c", CALL, "recommend", *form],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **desk.env},
        ) as shown:  # fmt: skip
            assert shown.stdout is not None and shown.stderr is not None
            assert shown.stdout.readline()
            shown.stdout.close()
            assert shown.stderr.read() == ""


def test_the_program_itself_prints_plain_text_into_a_pipe(desk: Desk) -> None:
    propose(desk.brain)
    done = subprocess.run(
        [sys.executable, "-c", CALL, "recommend"],
        capture_output=True,
        text=True,
        env={**os.environ, **desk.env},
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith("1\tc1/w1\tmemory\trecover with 2 GiB of memory")


def test_learn_traces_says_what_is_missing(desk: Desk, tmp_path: Path) -> None:
    config = tmp_path / "learn.toml"
    store = desk.brain.config.store
    config.write_text(f"[store]\npath = '{store.path}'\nmodels = '{store.models}'\n")
    few = desk("learn", "traces", "--config", str(config))
    assert (few.exit_code, "no windows" in few.stderr) == (1, True)
    assert desk("learn", "traces", "--config", "/nowhere.toml").exit_code == 2


def test_learn_traces_on_a_full_disk_is_one_sentence(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: object, models: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(models))

    monkeypatch.setattr(training, "train_traces", full)
    config = tmp_path / "learn.toml"
    store = desk.brain.config.store
    config.write_text(f"[store]\npath = '{store.path}'\nmodels = '{store.models}'\n")
    failed = desk("learn", "traces", "--config", str(config))
    assert failed.exit_code == 1
    assert failed.stderr == f"Error: {store.models}: No space left on device\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["--", "true"], 0),
        (["--memory", "much", "true"], 2),
        (["--cpus", "4096", "true"], 2),
        ([], 2),
    ],
)
def test_run_exits_as_its_job_does(tmp_path: Path, words: list[str], code: int) -> None:
    env = {
        "JOBMEND_CGROUP_ROOT": str(tmp_path / "no-cgroups"),
        "JOBMEND_HOOK_SOCKET": str(tmp_path / "no-agent"),
    }
    arguments = ["run", "--state-dir", str(tmp_path / "queue"), *words]
    assert CliRunner().invoke(main, arguments, env=env).exit_code == code
