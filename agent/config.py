"""The agent's configuration: agent.toml, then agent.conf.d/*.toml in the order of their names."""

from __future__ import annotations

import json
import math
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..exporter.endpoint import parse_address
from ..exporter.routes import check_path
from ..jobs.fields import MAX_NAME

_WANTED = {
    str: "a string in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}
PEERS = ("treydock", "jobstats", "ceems")  # exporter.compat.PEERS, which is loaded where it is used
DEFAULT_PATH = "/etc/jobmend/agent.toml"


class ConfigError(Exception):
    """A configuration that cannot be used; one sentence names the file, the key and the cure."""


def _between(default: Any, least: float, most: float = math.inf) -> Any:
    return field(default=default, metadata={"least": least, "most": most})


@dataclass(frozen=True)
class Sample:
    """How the node is sampled, and where its kernel files lie."""

    period_seconds: float = _between(1.0, 0.05, 60)
    slow_seconds: float = _between(1.0, 0.05, 600)
    census_seconds: float = _between(30.0, 1, 3600)
    ring_seconds: float = _between(300.0, 10, 86400)
    cgroup_root: str = "/sys/fs/cgroup"
    proc_root: str = "/proc"


@dataclass(frozen=True)
class Metrics:
    """The Prometheus page."""

    listen: str = "127.0.0.1:9807"
    path: str = "/metrics"
    web_config: str = ""
    compat: tuple[str, ...] = field(default=(), metadata={"words": PEERS})
    totals_ttl_seconds: float = _between(120.0, 0)
    exit_ttl_seconds: float = _between(600.0, 0)


@dataclass(frozen=True)
class Hooks:
    """The socket that hooks write to, and whom the agent believes there."""

    socket: str = "/run/jobmend/hook.sock"
    trusted_uids: tuple[int, ...] = (0,)
    grace_seconds: float = _between(5.0, 0, 3600)
    node_file: str = "node.json"


@dataclass(frozen=True)
class Spool:
    """The database that keeps messages until the brain has them."""

    path: str = "/var/lib/jobmend/spool.db"
    max_rows: int = _between(1_000_000, 100)


@dataclass(frozen=True)
class Uplink:
    """The way to the brain; an empty url sends nothing."""

    url: str = ""
    token_file: str = ""
    interval_seconds: float = _between(5.0, 0.1, 3600)


@dataclass(frozen=True)
class Watch:
    """When a run is said to stall or to suffer from contention."""

    stall_seconds: float = _between(600.0, 1)
    stall_busy_share: float = _between(0.5, 0.01)
    contention_share: float = _between(0.3, 0.01, 1)
    contention_seconds: float = _between(60.0, 1)


@dataclass(frozen=True)
class Window:
    """How windows of trace are cut."""

    steps: int = _between(32, 2, 4096)
    interval_seconds: float = _between(300.0, 1)


@dataclass(frozen=True)
class Scorer:
    """The scoring of windows on the node, and which of them leave it."""

    enabled: bool = False
    key_file: str = ""
    model_file: str = "/var/lib/jobmend/traces.npz"
    poll_seconds: float = _between(300.0, 1, 86400)
    deadline_seconds: float = _between(30.0, 0.1, 600)
    alpha: float = _between(0.01, 0, 1)
    ailing_windows: int = _between(60, 0, 100_000)
    sample_windows: int = _between(2, 0, 1000)
    sample_seconds: float = _between(3600.0, 1, 604_800)


@dataclass(frozen=True)
class Config:
    """Everything the agent can be told, with its defaults."""

    cluster: str = "local"
    node: str = field(default_factory=socket.gethostname)
    sample: Sample = field(default_factory=Sample)
    metrics: Metrics = field(default_factory=Metrics)
    hooks: Hooks = field(default_factory=Hooks)
    spool: Spool = field(default_factory=Spool)
    uplink: Uplink = field(default_factory=Uplink)
    watch: Watch = field(default_factory=Watch)
    window: Window = field(default_factory=Window)
    scorer: Scorer = field(default_factory=Scorer)


def load(path: str | os.PathLike[str] | None = None) -> Config:
    """The configuration in ``path`` and its ``.conf.d``; ConfigError names what is wrong.

    Without ``path`` the default place is read, and nothing there means all defaults.
    """
    main = os.fspath(path or DEFAULT_PATH)
    config = Config()
    for source in ([main] if path or os.path.exists(main) else []) + _drop_ins(main):
        config = merge(config, _read(source), source)
    _check_together(config)
    return config


def _drop_ins(main: str) -> list[str]:
    folder = f"{os.path.splitext(main)[0]}.conf.d"
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read: {error.strerror}") from error
    return [os.path.join(folder, name) for name in names if name.endswith(".toml")]


def _read(path: str) -> dict[str, Any]:
    # Loaded here: it takes half a megabyte, and a node without a file needs none of it.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # bad UTF-8 and bad TOML alike
        raise ConfigError(f"{path}: not TOML: {error}") from error


def merge(config: Any, table: Mapping[str, Any], source: str, section: str = "") -> Any:
    """``config`` with the keys of ``table`` on top; ConfigError for a key or value it cannot have.

    ``source`` and ``section`` name the file and the table in errors.
    """
    known = {known.name: known for known in fields(config)}
    changed: dict[str, Any] = {}
    for key, value in table.items():
        where = f"{source}: {f'[{section}] ' if section else ''}{key}"
        if key not in known:
            raise ConfigError(f"{where}: no such key; known here: {', '.join(known)}")
        now = getattr(config, key)
        if hasattr(now, "__dataclass_fields__"):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{where}: write it as a table, [{key}]")
            changed[key] = merge(now, value, source, key)
        else:
            changed[key] = _value(now, value, known[key].metadata, where)
    return replace(config, **changed)


def _value(now: Any, value: Any, limits: Mapping[str, float], where: str) -> Any:
    if isinstance(now, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(now, tuple):
        return _list(value, limits, where)
    if type(value) is not type(now):
        wanted = _WANTED[type(now)]
        raise ConfigError(f"{where}: give {wanted}, such as {_toml(now)}")
    least, most = limits.get("least", -math.inf), limits.get("most", math.inf)
    if not isinstance(value, str) and not least <= value <= most:
        bounds = f"{least:g} to {most:g}" if most < math.inf else f"{least:g} or more"
        raise ConfigError(f"{where}: {value:g} is out of range; give {bounds}")
    return value


def _list(value: Any, kind: Mapping[str, Any], where: str) -> tuple[Any, ...]:
    """A list of numbers, or of some of the words ``kind`` names."""
    words = kind.get("words")
    if not isinstance(value, list) or any(
        member not in words if words else type(member) is not int for member in value
    ):
        wanted = f"of {', '.join(words)}" if words else "of whole numbers, such as [0, 64030]"
        raise ConfigError(f"{where}: give a list {wanted}")
    return tuple(value)


def _check_together(config: Config) -> None:
    """ConfigError where values are well formed but cannot be worked with."""
    ring = config.sample.ring_seconds
    for key, needed in (
        ("[watch] contention_seconds", config.watch.contention_seconds),
        (
            "[window] steps x period_seconds",
            (config.window.steps + 1) * config.sample.period_seconds,
        ),
    ):
        if needed > ring:
            raise ConfigError(
                f"{key}: needs {needed:g} s of samples and [sample] ring_seconds keeps {ring:g}; "
                "raise that one or lower this one"
            )
    for key, name in (("cluster", config.cluster), ("node", config.node)):
        if not name or "/" in name or not name.isprintable() or len(name) > MAX_NAME:
            raise ConfigError(f"{key}: {name!r} is no name; use letters, digits, dots and dashes")
    try:
        parse_address(config.metrics.listen)
    except ValueError as error:
        raise ConfigError(f"[metrics] listen: {error}") from error
    _check_page(config.metrics)
    _check_scorer(config.scorer)
    if config.uplink.url and not config.uplink.url.startswith(("http://", "https://")):
        raise ConfigError(
            f"[uplink] url: {config.uplink.url!r} must begin with http:// or https://"
        )


def _check_scorer(scorer: Scorer) -> None:
    if scorer.enabled and not scorer.key_file:
        raise ConfigError(
            "[scorer] key_file: is empty; copy the brain's file `scorer.key` to this node, "
            "mode 0600, and name it there"
        )


def _check_page(metrics: Metrics) -> None:
    try:
        check_path(metrics.path)
    except ValueError as error:
        raise ConfigError(f"[metrics] path: {error}") from error
    if metrics.compat:
        from ..exporter.compat import choose  # a megabyte, loaded only where it is asked for

        try:
            choose(metrics.compat)
        except ValueError as error:
            raise ConfigError(f"[metrics] compat: {error}") from error


def render(config: Config) -> str:
    """The whole configuration as TOML, defaults included."""
    plain: list[str] = []
    tables: list[str] = []
    for entry in fields(config):
        value = getattr(config, entry.name)
        if hasattr(value, "__dataclass_fields__"):
            lines = [f"{key.name} = {_toml(getattr(value, key.name))}" for key in fields(value)]
            tables.append("\n".join([f"\n[{entry.name}]", *lines]))
        else:
            plain.append(f"{entry.name} = {_toml(value)}")
    return "\n".join([*plain, *tables]) + "\n"


def _toml(value: Any) -> str:
    """A value as TOML: JSON's strings, numbers and lists are TOML's."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
