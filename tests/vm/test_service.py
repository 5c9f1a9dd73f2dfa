"""The installed agent under the systemd of a guest: its unit, its watchdog, its account.

A boot of its own, with the files of the RPMs and without any account or setting made before.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from jobmend.jobs.version import VERSION

pytestmark = [pytest.mark.vm, pytest.mark.timeout(2000)]

REPOSITORY = Path(__file__).parents[2]
TESTBED = REPOSITORY / "tests" / "testbed"
INSTALLED = ("jobmend", "jobmend-agent", "jobmend-slurm")
HOOK = "/usr/libexec/jobmend/slurm-hook"
# What the packages' scripts do after the files are there; then what an administrator does.
PLAYED = """\
#!/bin/bash
systemd-sysusers jobmend-agent.conf
systemd-tmpfiles --create jobmend-agent.conf
/usr/lib/systemd/systemd-sysctl 50-jobmend.conf
python3 -I -m compileall -q /usr/lib/jobmend/jobmend
# A watchdog of seconds, and a guest slow enough to need longer for a hook than a machine does.
mkdir -p /etc/systemd/system/jobmend-agent.service.d
printf '[Service]\\nWatchdogSec=20\\n' >/etc/systemd/system/jobmend-agent.service.d/test.conf
sed -i 's/timeout -s KILL 1 /timeout -s KILL 20 /' /usr/libexec/jobmend/slurm-hook
systemctl daemon-reload
systemctl start jobmend-agent && echo "told started=yes"
echo "told queue=$(cat /proc/sys/net/unix/max_dgram_qlen)"
first=$(systemctl show --property=MainPID --value jobmend-agent)
status="/proc/$first/status"
sed -nE 's/^(CapEff|CapBnd|NoNewPrivs|Seccomp|Uid):\\s*(\\S+).*/told \\1=\\2/p' "$status"
echo "told account=$(id -u jobmend)"
sleep 30 # longer than the watchdog waits: it is fed
echo "told restarts while it works=$(systemctl show --property=NRestarts --value jobmend-agent)"
job=$(sbatch --parsable --output=/dev/null --wrap 'exec sleep 2')
for _ in $(seq 60); do
  python3 -c 'import urllib.request as u
print(u.urlopen("http://127.0.0.1:9807/metrics").read().decode())' >page
  grep -q "jobmend_job_exit_info{.*jobid=\\"$job\\"" page && break
  sleep 1
done
grep -E '^jobmend_(job_exit_info|agent_sample_errors_total|build_info)' page | sed 's/^/told page /'
kill -STOP "$first"
for _ in $(seq 90); do
  [ "$(systemctl show --property=NRestarts --value jobmend-agent)" = 1 ] && break
  sleep 1
done
sleep 5
echo "told after a stop=$(systemctl is-active jobmend-agent)"
systemctl stop jobmend-agent
echo "told ended=$(systemctl show --property=Result,ExecMainStatus --value jobmend-agent | xargs)"
echo "told folder=$(stat --format='%U %a' /run/jobmend)"
journalctl --no-pager --output=cat --unit=jobmend-agent | sed 's/^/log /'
"""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the guest printed."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        pytest.skip("the guest's image is built by root on Debian")
    folder = tmp_path_factory.mktemp("service")
    (folder / "share" / "root").mkdir(parents=True)
    subprocess.run([TESTBED / "packages", "rpm"], check=True)
    make = REPOSITORY / "packaging" / "rpm" / "make-rpms"
    subprocess.run([make, folder], check=True, capture_output=True)
    for name in INSTALLED:
        rpm = folder / f"{name}-{VERSION}-1.noarch.rpm"
        held = subprocess.run(["rpm2cpio", rpm], check=True, capture_output=True).stdout
        unpack = ["cpio", "--extract", "--make-directories", "--quiet"]
        subprocess.run(unpack, cwd=folder / "share" / "root", input=held, check=True)
    played = folder / "share" / "play"
    played.write_text(PLAYED)
    played.chmod(0o755)
    env = {**os.environ, "VM_SLURM_EXTRA": f"Prolog={HOOK}\nEpilog={HOOK}", "VM_TIMEOUT": "900"}
    subprocess.run([TESTBED / "vm-build"], env=env, check=True, timeout=900)
    command = [str(TESTBED / "vm-run"), "-s", str(folder / "share"), "--", "./play"]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, timeout=1000)
    return done.stdout.decode(errors="replace")


@pytest.fixture
def told(console: str) -> dict[str, str]:
    """The guest's words by their names."""
    return dict(re.findall(r"^told ([\w ]+)=(.*)$", console, re.M))


def test_it_starts_as_an_account_without_rights(told: dict[str, str], console: str) -> None:
    assert told.get("started") == "yes", console[-4000:]
    assert told["Uid"] == told["account"] != "0"
    assert {told["CapEff"], told["CapBnd"]} == {"0" * 16}
    assert (told["NoNewPrivs"], told["Seccomp"]) == ("1", "2")
    assert told["queue"] == "512"
    assert told["folder"] == "jobmend 755"


def test_it_measures_and_hears_jobs(console: str) -> None:
    page = "\n".join(re.findall(r"^told page (.*)$", console, re.M))
    assert re.search(r'jobmend_job_exit_info\{.*kind="success",code="0"\} 1', page)
    assert "jobmend_agent_sample_errors_total 0" in page


def test_the_watchdog_starts_it_anew_when_it_hangs(told: dict[str, str], console: str) -> None:
    assert told["restarts while it works"] == "0"
    assert "log jobmend-agent.service: Watchdog timeout" in console
    assert told["after a stop"] == "active"
    assert told["ended"] == "success 0"
