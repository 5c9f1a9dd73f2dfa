"""The brain's configuration: brain.toml, checked key by key, with its defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

import tomllib
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from ..plugins.local.settings import default_state_dir

DEFAULT_CONFIG = Path("/etc/jobmend/brain.toml")


class ConfigError(Exception):
    """A configuration that cannot be used; the message names the file and the key."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# A word of an action's data access, such as "xrootd", and the environment variables it stands for.
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
DataAccess = dict[str, dict[Variable, str]]

# Name of a ClassAd attribute.
Attribute = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")]


class ServerConfig(_Section):
    """Where the API and the panel are served."""

    listen: str = "127.0.0.1:8807"
    prometheus: str = ""

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        split_address(value)
        return value

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return split_address(self.listen)


# The first poll reads the last seven days: what it tells must not be forgotten before the next.
Days = Annotated[float, Field(ge=8, lt=1e6, allow_inf_nan=False)]


class StoreConfig(_Section):
    """Where the brain keeps what it knows."""

    path: Path = Path("/var/lib/jobmend/brain.db")
    models: Path = Path("/var/lib/jobmend/models")
    archive: Path = Path("/var/lib/jobmend/archive")
    tokens: Path = Path("/var/lib/jobmend/tokens")
    max_windows: int = Field(default=5000, ge=1)
    keep_days: Days = 90
    keep_audit_days: Days = 730


Cost = Annotated[float, Field(ge=0, lt=1e6, allow_inf_nan=False)]


class CostsConfig(_Section):
    """What a wrong action costs, in units of one useless retry, and what asking a person costs."""

    asking: Cost = 0.35
    wrong: Cost = 1.0
    wrong_action: dict[str, Cost] = Field(default_factory=lambda: {"clone": 1.5, "kill": 2.0})
    instead: dict[str, dict[str, Cost]] = Field(default_factory=dict)


class AdviceConfig(_Section):
    """When workflows are judged, how long advice stands (seconds), and who carries it out."""

    settle_seconds: float = Field(default=30, ge=0, allow_inf_nan=False)
    queue_seconds: float = Field(default=3600, ge=0, allow_inf_nan=False)
    poll_seconds: float = Field(default=5, gt=0, allow_inf_nan=False)
    nodes_seconds: float = Field(default=60, gt=0, allow_inf_nan=False)
    site_window_seconds: float = Field(default=3600, gt=0, allow_inf_nan=False)
    expire_seconds: float = Field(default=86400, gt=0, allow_inf_nan=False)
    executor: Literal["brain", "external"] = "brain"
    costs: CostsConfig = CostsConfig()


Share = Annotated[float, Field(ge=0, le=1)]
Length = Annotated[float, Field(gt=0, lt=1e15, allow_inf_nan=False)]  # of time, or of files


class LearningConfig(_Section):
    """How models are trained, compared and kept; times are in seconds where not said otherwise."""

    mlflow: str = ""
    source: str = "archive"
    days: Length = 14
    period_seconds: Length = 86400
    arms_traces: tuple[str, ...] = (
        "autoencoder",
        "autoencoder-graph",
        "variational",
        "pca",
        "isolation-forest",
    )
    arms_failures: tuple[str, ...] = ("majority", "rules-cms", "logistic", "xgboost", "mixture")
    replay: int = Field(default=2000, ge=0)
    max_examples: int = Field(default=20000, ge=100)
    margin: Share = 0.02
    shadow_turns: int = Field(default=1, ge=0, le=100)
    novel_p: Share = 0.01
    novel_share: Share = 0.15
    band: Length = 3.0
    kept_turns: int = Field(default=7, ge=1)
    disk_bytes: Length = 5e9
    turn_minutes: Length = 120
    resume_seconds: float = Field(default=21600, ge=0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0)
    archive_days: Length = 30
    archive_bytes: Length = 2e10

    @field_validator("arms_traces", "arms_failures")
    @classmethod
    def _are_arms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) < len(value):
            raise ValueError("at least one arm is wanted, and none twice")
        if not all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) for name in value):
            raise ValueError("names of arms are lower-case letters, digits and hyphens")
        return value


class LocalConfig(_Section):
    """The embedded scheduler of one machine."""

    cluster: str = Field(default="local", min_length=1, pattern=r"^[^/\s]+$")
    state_dir: Path = Field(default_factory=default_state_dir)


class SlurmConfig(_Section):
    """One Slurm cluster: how its accounting is read, and what actions may use."""

    cluster: str = Field(min_length=1, pattern=r"^[^/\s]+$")
    workflow_from: tuple[str, ...] = ("comment", "wckey", "name")
    workflow_pattern: str = ""
    bin_dir: str = ""
    sites: tuple[str, ...] = ()
    reader: Literal["sacct", "rest", "pyslurm"] = "sacct"
    rest_url: str = ""
    rest_user: str = ""
    rest_token_file: Path | None = None
    splitting_command: tuple[str, ...] = ()
    data_access: DataAccess = Field(default_factory=dict)

    @field_validator("rest_token_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("workflow_pattern")
    @classmethod
    def _names_a_workflow(cls, value: str) -> str:
        try:
            named = not value or "workflow" in re.compile(value).groupindex
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        if not named:
            raise ValueError("a group (?P<workflow>...) is wanted in it")
        return value

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        wanted = ("rest_url", "rest_user", "rest_token_file") if self.reader == "rest" else ()
        missing = [name for name in wanted if not getattr(self, name)]
        if missing:
            raise ValueError(f"reader = 'rest' needs {', '.join(missing)}")
        if ("pattern" in self.workflow_from) != bool(self.workflow_pattern):
            raise ValueError("'pattern' in workflow_from and workflow_pattern need each other")
        return self


class HTCondorConfig(_Section):
    """One HTCondor pool, asked with its Python bindings."""

    cluster: str = Field(min_length=1, pattern=r"^[^/\s]+$")
    pool: str = ""
    schedds: tuple[str, ...] = ()
    config: str = ""
    token_dir: str = ""
    workflow_from: tuple[Attribute, ...] = ("DAGManJobId", "JobBatchName", "ClusterId")
    site_from: tuple[Attribute, ...] = ("MATCH_GLIDEIN_Site", "RemoteHost")
    event_log: str = ""
    splitting_command: tuple[str, ...] = ()
    data_access: DataAccess = Field(default_factory=dict)
    sites: tuple[str, ...] = ()


class SchedulersConfig(_Section):
    """The schedulers that are watched; where none is named, this machine's local queue."""

    local: LocalConfig | None = None
    slurm: SlurmConfig | None = None
    htcondor: HTCondorConfig | None = None


class BrainConfig(_Section):
    """The whole of brain.toml."""

    server: ServerConfig = ServerConfig()
    store: StoreConfig = StoreConfig()
    advice: AdviceConfig = AdviceConfig()
    learning: LearningConfig = LearningConfig()
    schedulers: SchedulersConfig = Field(
        default_factory=lambda: SchedulersConfig(local=LocalConfig())
    )

    @property
    def keep_days(self) -> float:
        """Days for which the store remembers: never less than learning looks back."""
        return max(self.store.keep_days, self.learning.days + self.learning.archive_days)


def split_address(text: str) -> tuple[str, int]:
    """``host:port`` as its two parts, brackets of IPv6 taken off; ValueError if it is none."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{text!r} is no address; it reads host:port, such as 127.0.0.1:8807")
    return host.strip("[]"), int(port)


def read_config(path: Path) -> BrainConfig:
    """Read and check a file; ConfigError names the file and the key.

    The default file may be missing: then every key has its default.
    """
    if path == DEFAULT_CONFIG and not path.exists():
        return BrainConfig()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    return parse_config(document, str(path))


def parse_config(document: Mapping[str, object], name: str = "brain.toml") -> BrainConfig:
    """Check a decoded document, known as ``name`` in errors."""
    try:
        return BrainConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigError("; ".join(_sentences(error, name))) from error


def _sentences(error: ValidationError, name: str) -> list[str]:
    return [
        f"{name}: {'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors()
    ]
