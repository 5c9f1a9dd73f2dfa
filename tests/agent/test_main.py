from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobmend.agent import __main__ as command
from jobmend.agent.config import Config

TREE = Path(__file__).parents[1] / "trees" / "slurm_v2"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """Configurations that an agent was to run with."""
    configs: list[Config] = []

    def serve(config: Config) -> int:
        configs.append(config)
        return 0

    monkeypatch.setattr(command, "_serve", serve)
    return configs


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "agent.toml"
    path.write_text(
        'cluster = "c1"\n[metrics]\nlisten = "127.0.0.1:1"\npath = "/m"\ncompat = ["ceems"]\n'
    )
    return str(path)


def test_flags_stand_in_place_of_keys(served: list[Config], file: str) -> None:
    flags = [
        "--web.listen-address=[::1]:9",
        "--web.telemetry-path=/node",
        "--web.config.file=web.yml",
        "--compat=jobstats, ceems",
        "--cgroup-root=/cg",
        "--proc-root=/p",
    ]
    assert command.main(["--config", file, *flags]) == 0
    (config,) = served
    metrics = config.metrics
    assert (metrics.listen, metrics.path, metrics.web_config) == ("[::1]:9", "/node", "web.yml")
    assert metrics.compat == ("jobstats", "ceems")
    assert (config.sample.cgroup_root, config.sample.proc_root) == ("/cg", "/p")
    assert config.cluster == "c1"


def test_without_flags_the_file_holds(served: list[Config], file: str) -> None:
    assert command.main(["--config", file]) == 0
    (config,) = served
    assert (config.metrics.listen, config.metrics.path) == ("127.0.0.1:1", "/m")
    assert config.metrics.compat == ("ceems",)


def test_an_empty_flag_empties_the_key(served: list[Config], file: str) -> None:
    assert command.main(["--config", file, "--compat="]) == 0
    assert served[0].metrics.compat == ()


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--web.listen-address=9807", "'9807' is no host:port"),
        ("--web.telemetry-path=metrics", "'metrics' is no path; write one such as /metrics"),
        ("--web.telemetry-path=/-/ready", "/-/ready is taken"),
        ("--compat=nagios", "compat knows treydock, jobstats, ceems, not 'nagios'"),
        ("--comp=ceems", "unrecognized arguments"),
    ],
)
def test_a_flag_that_cannot_be_is_wrong_usage(
    flag: str, sentence: str, served: list[Config], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        command.main([flag])
    assert left.value.code == 2
    assert sentence in capsys.readouterr().err
    assert served == []


def agent(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as its own process."""
    line = [sys.executable, "-m", "jobmend.agent", *arguments]
    return subprocess.run(line, capture_output=True, text=True, cwd="/", timeout=60)


@pytest.mark.parametrize("check", [["--check-config"], []])
def test_a_web_configuration_that_cannot_be_used_ends_it_with_a_sentence(
    check: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: a.pem}")
    (tmp_path / "agent.toml").write_text(
        f'[metrics]\nlisten = "127.0.0.1:0"\nweb_config = "{tmp_path}/web.yml"\n'
        f'[hooks]\nsocket = "{tmp_path}/hook.sock"\n[spool]\npath = "{tmp_path}/spool.db"\n'
    )
    done = agent("--config", f"{tmp_path}/agent.toml", *check)
    assert done.stderr == (
        f"jobmend-agent: {tmp_path}/web.yml: tls_server_config: key_file: missing; TLS needs a "
        "certificate and its key\n"
    )
    assert (done.returncode, done.stdout) == (2, "")


def test_a_look_as_openmetrics_and_under_peers_names() -> None:
    roots = ["--cgroup-root", str(TREE / "cgroup"), "--proc-root", str(TREE / "proc")]
    done = agent("--once", "--openmetrics", "--compat=ceems", *roots)
    assert done.stdout.endswith("# EOF\n")
    assert "\nceems_compute_unit_memory_used_bytes{" in done.stdout
    plain = agent("--once", *roots)
    assert "\njobmend_job_memory_current_bytes{" in plain.stdout
    assert "# EOF" not in plain.stdout
    assert "ceems" not in plain.stdout


def test_checking_prints_what_flags_make_of_it(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--config", file, "--check-config", "--web.telemetry-path=/x"]) == 0
    assert '\npath = "/x"\n' in capsys.readouterr().out
