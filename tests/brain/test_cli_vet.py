"""``jobmend vet`` beside a served brain: lists, shows, decides and undoes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jobmend.brain import quarantine
from jobmend.brain.api.app import create_app
from jobmend.brain.brain import Brain
from jobmend.brain.cli.program import main
from jobmend.brain.cli.vetting_tables import sparkline
from jobmend.brain.evidence import Evidence, Neighbour, Reading
from jobmend.brain.quarantined import Item, period_key, short_id
from tests.brain.scene import NOW, OOM, MemoryScheduler, config_of, ended, run_of
from tests.brain.test_exporting import served

HOSTILE = "w\x1b[2J\u202e\nforged"


@dataclass
class Desk:
    """An operator's terminal beside a brain."""

    brain: Brain
    env: dict[str, str]

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ("vet", *arguments), env=self.env)

    def add(self, *items: Item, evidence: Evidence | None = None) -> None:
        with self.brain.store.write() as db:
            for item in items:
                quarantine.add(db, item, evidence or Evidence())

    def states(self) -> dict[str, str]:
        told = json.loads(self("--state", "all", "--json").stdout)["items"]
        return {it["key"]: f"{it['state']} {it['label']}".strip() for it in told}


@pytest.fixture
def desk(tmp_path: Path, scheduler: MemoryScheduler) -> Iterator[Desk]:
    scheduler.events = ended(1, OOM)
    app = create_app(config_of(tmp_path, poll_seconds=3600), {("c1", "memory"): scheduler})
    with served(app) as url:
        token = str(tmp_path / "tokens" / "operator")
        env = {"JOBMEND_URL": url, "JOBMEND_TOKEN_FILE": token, "HOME": str(tmp_path)}
        yield Desk(app.state.brain, env)


def item(key: str, kind: str = "w1", subject: str = "traces") -> Item:
    return Item(subject, key, "t1", NOW, NOW, kind, 0.004, "x is 9")


def test_list_decide_and_undo(desk: Desk) -> None:
    desk.add(item("a"), item("b"), item("c", "w2"), item("a", subject="failures"))
    header, *rows = desk("--subject", "traces").stdout.splitlines()
    assert header.split("\t") == ["ID", "SUBJECT", "KIND", "OF", "P", "STATE", "AGE", "WHY"]
    cells = rows[0].split("\t")
    assert cells[:3] == [short_id("traces", "a"), "traces", "w1"]
    assert cells[4:6] == ["0.004", "waiting"]
    assert len(rows) == 3
    a = short_id("traces", "a")
    assert desk("anomaly", a, "--label", "hang").exit_code == 0
    assert desk("ignore", a[:5], short_id("traces", "c")).exit_code == 0
    accepted = desk("accept", "--all-of", "w1", "--subject", "traces", "--json")
    assert [it["key"] for it in json.loads(accepted.stdout)["items"]] == ["b"]
    told = json.loads(desk("--subject", "traces", "--state", "all", "--json").stdout)["items"]
    assert {it["key"]: it["state"] for it in told} == {
        "a": "ignored",
        "b": "normal",
        "c": "ignored",
    }
    undone = desk("undo", a)
    assert undone.stdout.splitlines()[1].split("\t")[5] == "anomaly: hang"
    assert desk("accept", "--all-of", "w9").stderr == "nothing of this kind waits\n"


def test_show_tells_all_there_is_in_safe_lines(desk: Desk) -> None:
    evidence = Evidence(
        facts={HOSTILE: HOSTILE},
        runs=[run_of(1).key],
        readings=[Reading("x", 9.0, 0.1, 0.2, 0.3), Reading("y", None)],
        neighbours=[Neighbour(HOSTILE, "w1", NOW, 2.125, "healthy")],
        step_seconds=1.0,
        curves={"user": [0.0, 0.5, None, 1.0]},
        counts={"exit:3 at s1": 12},
    )
    desk.add(item(HOSTILE, HOSTILE), evidence=evidence)
    name = short_id("traces", HOSTILE)
    desk("anomaly", name, "--label", "hang")
    told = desk("show", name[:4]).stdout
    for line in (
        "state     anomaly: hang",
        "number    x 9, usual 0.1 to 0.3, half of them below 0.2",
        "number    y not measured",
        "trace     user                     ▁▅ █ 0 to 1",
        "failures  12 exit:3 at s1",
        "run       c1/memory/1/0 out of memory",
        "waiting to anomaly hang",
    ):
        assert line in told
    for out in (told, desk("--state", "all").stdout, desk("show", name, "--json").stdout):
        assert not {"\x1b", "\u202e", "\r"} & set(out)
        assert "\nforged" not in out


def test_a_period_is_one_line_and_one_word(desk: Desk) -> None:
    desk.add(item("a"), item("b"), item(period_key("t1"), ""))
    _, row = desk().stdout.splitlines()
    assert row.split("\t")[2] == "a period of 2"
    assert len(desk("--turn", "t1").stdout.splitlines()) == 4
    assert "examples  2; jobmend vet --turn t1 lists them" in desk("show", period_key("t1")).stdout
    assert desk("accept", row.split("\t")[0]).exit_code == 0
    assert set(desk.states().values()) == {"normal"}
    assert desk("undo", "a").exit_code == 1
    assert "1 item" not in desk("--limit", "1").stderr


def test_what_cannot_be_said(desk: Desk) -> None:
    desk.add(item("a"), item("a", subject="failures"))
    assert desk("accept").exit_code == 2
    assert desk("anomaly", "a").exit_code == 2
    assert "names several" in desk("accept", "a").stderr
    lost = desk("show", "lost")
    assert (lost.exit_code, "jobmend vet lists what waits" in lost.stderr) == (1, True)
    assert desk("anomaly", "a", "--subject", "traces", "--label", "normal").exit_code == 1
    assert desk("--limit", "1").stderr == "there may be more than 1; --limit tells more\n"
    assert set(desk.states().values()) == {"waiting"}


def test_a_curve_in_a_line() -> None:
    assert sparkline([None, None]) == ""
    assert sparkline([2.0, 2.0]) == "▁▁ 2 to 2"
    assert sparkline([0, 1, None, 7]) == "▁▂ █ 0 to 7"
