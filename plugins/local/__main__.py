"""``python -m jobmend.plugins.local``: run, submit and steer jobs on this machine."""

from __future__ import annotations

import argparse
import logging
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from ...jobs.fields import WireError
from .daemon import become_daemon
from .launch import die_with_parent
from .listing import as_json, as_table
from .mend import mend
from .orders import ORDERS, OrderError, give_order
from .quantities import parse_size, parse_time
from .queue import Queue
from .settings import read_settings
from .spec import JobSpec, new_spec
from .start import Output
from .submit import Changes, SubmitError, resubmit, run, submit
from .supervisor import Supervisor

PROGRAM = "jobmend-local"


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry one command out; the job's exit code for ``run``, else 0, 1 for no, 2 for bad usage."""
    options = parser().parse_args(arguments)
    try:
        return _COMMANDS[options.command](options)
    except KeyError as error:
        problem = f"no job {error.args[0]!r} in this queue"
    except (SubmitError, OrderError, WireError, ValueError) as error:
        problem = str(error)
    except (OSError, sqlite3.Error) as error:
        problem = f"the queue in {options.state_dir or 'its default place'} cannot be used: {error}"
    print(f"{PROGRAM}: {problem}", file=sys.stderr)
    return 1


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog=PROGRAM, description="Jobs on this machine.")
    top.add_argument("--state-dir", type=Path, metavar="DIR", help="where the queue is")
    top.add_argument("--cluster", metavar="NAME", help="first part of run keys (local)")
    commands = top.add_subparsers(dest="command", required=True)
    _add_job(commands.add_parser("run", help="run a job on this terminal, return its exit code"))
    _add_job(commands.add_parser("submit", help="run a job in the background, print its run key"))
    _add_resubmit(commands.add_parser("resubmit", help="run an ended job again, changed or not"))
    for order in ORDERS:
        command = commands.add_parser(order, help=f"{order} a job")
        command.add_argument("job", help="run key, run or job id")
    listing = commands.add_parser("list", help="show the queue")
    listing.add_argument("--json", action="store_true", help="for programs")
    supervise = commands.add_parser("supervise", help="see one run through (used by the others)")
    supervise.add_argument("--detach", action="store_true", help="in the background")
    supervise.add_argument("run")
    return top


def _add_job(command: argparse.ArgumentParser) -> None:
    command.add_argument("--workflow", default="", help="what it belongs to (the command's name)")
    command.add_argument("--site", default="", help="where it is said to run (local)")
    command.add_argument("--name", default="", help="what it is called")
    command.add_argument("--comment", default="", help="anything")
    command.add_argument("--memory", default="", help="limit, such as 300M or 2G (none)")
    command.add_argument("--time", default="", help="limit, such as 90, 5:00 or 1:30:00 (none)")
    command.add_argument("--cpus", type=int, default=1, help="hardware threads (1)")
    command.add_argument(
        "--env", action="append", metavar="NAME", help="pass only this variable; may be repeated"
    )
    command.add_argument("--stdout", default="", metavar="FILE", help="append its output here")
    command.add_argument("--stderr", default="", metavar="FILE", help="append its errors here")
    command.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND")


def _add_resubmit(command: argparse.ArgumentParser) -> None:
    command.add_argument("job", help="run key, run or job id")
    command.add_argument("--memory", default="", help="new limit, such as 300M or 2G")
    command.add_argument("--time", default="", help="new limit, such as 90, 5:00 or 1:30:00")
    command.add_argument("--site", default="", help="new site")
    command.add_argument("--token", default="", help="twice with one token makes one job")


def _spec(options: argparse.Namespace) -> JobSpec:
    command = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    return new_spec(
        command,
        workflow=options.workflow,
        site=options.site,
        name=options.name,
        comment=options.comment,
        memory=options.memory,
        walltime=options.time,
        cpus=options.cpus,
        variables=options.env,
        stdout=options.stdout,
        stderr=options.stderr,
    )


def _run(options: argparse.Namespace) -> int:
    return run(_spec(options), options.state_dir, cluster=options.cluster)


def _submit(options: argparse.Namespace) -> int:
    print(submit(_spec(options), options.state_dir, options.cluster).key)
    return 0


def _resubmit(options: argparse.Namespace) -> int:
    changes = Changes(
        parse_size(options.memory) if options.memory else None,
        parse_time(options.time) if options.time else None,
        options.site,
    )
    new = resubmit(options.job, changes, options.token, options.state_dir, options.cluster)
    print(new.key)
    return 0


def _order(options: argparse.Namespace) -> int:
    give_order(options.command, options.job, options.state_dir)
    return 0


def _list(options: argparse.Namespace) -> int:
    settings = read_settings(options.state_dir, options.cluster)
    with Queue(settings.state_dir) as queue:
        mend(queue, settings)
        jobs = queue.jobs()
    print(as_json(jobs, settings.cluster) if options.json else as_table(jobs))
    return 0


def _supervise(options: argparse.Namespace) -> int:
    settings = read_settings(options.state_dir, options.cluster)
    if options.detach and not become_daemon(settings.state_dir / "supervisor.log"):
        return 0
    if not options.detach:
        die_with_parent(signal.SIGTERM)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    terminal = None if options.detach else Output(sys.stdout.fileno(), sys.stderr.fileno())
    with Queue(settings.state_dir) as queue:
        try:
            Supervisor(queue, settings, options.run).supervise(terminal)
        except Exception:
            logging.exception("run %s: its supervisor gives up", options.run)
            return 1
    return 0


_COMMANDS = {
    "run": _run,
    "submit": _submit,
    "resubmit": _resubmit,
    "list": _list,
    "supervise": _supervise,
    **dict.fromkeys(ORDERS, _order),
}

if __name__ == "__main__":
    sys.exit(main())
