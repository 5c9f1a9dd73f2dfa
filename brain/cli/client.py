"""The API as its caller sees it: answers read back into the vocabulary, errors in sentences."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import tomllib
from pydantic import TypeAdapter, ValidationError

from ...jobs.actions import Recommendation
from ...jobs.text import printable
from .. import tokens
from ..api.answers import (
    Applied,
    JobList,
    RecommendationDetail,
    RecommendationList,
    SiteList,
    Status,
)
from ..api.vetting_answers import VettingDetail, VettingList
from ..backfill import Progress
from ..config import ConfigError, StoreConfig
from ..models.lineage import Lineage
from ..models.standings import ChampionEntry, ChampionList, ModelList

DEFAULT_URL = "http://127.0.0.1:8807"
FILES = (Path("~/.config/jobmend.toml"), Path("/etc/jobmend/client.toml"))
TIMEOUT_SECONDS = 30.0
APPLY_SECONDS = 600.0  # a plan has many steps, and a scheduler may be slow at each

_Answer = TypeVar("_Answer")


class Unreachable(Exception):
    """No brain answers at the address."""


class BadAnswer(Exception):
    """The brain refused, or what answers is no brain."""


@dataclass(frozen=True)
class Settings:
    """Where the brain is and where the operator's token lies; None: no token is known."""

    url: str = DEFAULT_URL
    token_file: Path | None = None


def read_settings(
    environ: Mapping[str, str] = os.environ, files: tuple[Path, ...] = FILES
) -> Settings:
    """Settings out of the first file that is there, then ``JOBMEND_*``; ConfigError if unusable."""
    found = Settings()
    for file in files:
        path = file.expanduser()
        if path.exists():
            found = _read_file(path)
            break
    token_file = environ.get("JOBMEND_TOKEN_FILE")
    return Settings(
        url=environ.get("JOBMEND_URL") or found.url,
        token_file=Path(token_file) if token_file else found.token_file or _token_of_this_machine(),
    )


def _token_of_this_machine() -> Path | None:
    """Where the brain of this machine put the operator's token, if this user may read it."""
    path = StoreConfig().tokens / tokens.OPERATOR
    return path if os.access(path, os.R_OK) else None


def _read_file(path: Path) -> Settings:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    for key, value in document.items():
        if key not in ("url", "token_file"):
            raise ConfigError(f"{path}: {key}: no such key; there are url and token_file")
        if not isinstance(value, str):
            raise ConfigError(f"{path}: {key}: a string is wanted")
    token_file = document.get("token_file")
    return Settings(
        url=document.get("url") or DEFAULT_URL,
        token_file=Path(token_file).expanduser() if token_file else None,
    )


class Client:
    """Speaks to one brain."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is sent yet; ConfigError where the address is none."""
        self.settings = settings
        # The brain is near: a proxy of the environment has no business with its tokens.
        self._http = httpx2.Client(
            base_url=_address(settings.url), timeout=TIMEOUT_SECONDS, trust_env=False
        )

    def recommendations(self, state: str | None = None) -> RecommendationList:
        """The newest recommendations, of one state or of all."""
        return self._get(RecommendationList, "recommendations", state=state)

    def recommendation(self, id: int) -> RecommendationDetail:
        """One recommendation with steps and audit."""
        return self._get(RecommendationDetail, f"recommendations/{id}")

    def jobs(self, workflow: str | None = None) -> JobList:
        """The runs that changed last."""
        return self._get(JobList, "jobs", workflow=workflow)

    def sites(self, days: float) -> SiteList:
        """Sites now and in the last days."""
        return self._get(SiteList, "sites", days=str(days))

    def backfill(self, cluster: str, scheduler: str, since: float) -> Progress:
        """Have the next slice of a scheduler's past read."""
        order: dict[str, object] = {"cluster": cluster, "scheduler": scheduler, "since": since}
        return self._post(Progress, "backfill", order)

    def models(self) -> ModelList:
        """Champion and challenger of each subject."""
        return self._get(ModelList, "models")

    def champions(self, subject: str) -> ChampionList:
        """The champions of a subject, newest first."""
        return self._get(ChampionList, f"models/{subject}/history")

    def roll_back(self, subject: str, to: int | None, why: str) -> ChampionEntry:
        """Put a champion of before in use again."""
        return self._post(ChampionEntry, f"models/{subject}/rollback", {"to": to, "why": why})

    def lineage(self, id: int) -> Lineage:
        """Where the models that judged a recommendation come from."""
        return self._get(Lineage, f"recommendations/{id}/lineage")

    def status(self) -> Status:
        """How the brain does."""
        return self._get(Status, "status")

    def apply(self, id: int, *, dry_run: bool) -> Applied:
        """Have a proposal carried out, or its steps shown."""
        return self._post(Applied, f"recommendations/{id}/apply", {"dry_run": dry_run})

    def reject(self, id: int, why: str) -> Recommendation:
        """Turn a proposal down."""
        return self._post(Recommendation, f"recommendations/{id}/reject", {"why": why})

    def vetting(self, **wanted: str | None) -> VettingList:
        """Items in quarantine: ``subject``, ``state``, ``kind``, ``turn``, ``name``, ``limit``."""
        return self._get(VettingList, "vetting", **wanted)

    def vetting_item(self, subject: str, key: str) -> VettingDetail:
        """One item with its evidence."""
        return self._get(VettingDetail, f"vetting/{subject}/item", key=key)

    def vet(self, subject: str, keys: list[str], state: str, label: str) -> VettingList:
        """Say of items that they are normal, an anomaly with a label, or to be ignored."""
        order: dict[str, object] = {"keys": keys, "state": state, "label": label}
        return self._post(VettingList, f"vetting/{subject}/decision", order)

    def unvet(self, subject: str, keys: list[str]) -> VettingList:
        """Take the last words on items back."""
        return self._post(VettingList, f"vetting/{subject}/undo", {"keys": keys})

    def _get(self, kind: type[_Answer], path: str, /, **query: str | None) -> _Answer:
        wanted = {name: value for name, value in query.items() if value is not None}
        return self._ask(kind, "GET", path, params=wanted)

    def _post(self, kind: type[_Answer], path: str, order: dict[str, object]) -> _Answer:
        headers = {"Authorization": f"Bearer {self._token()}", "X-Jobmend-Operator": _user()}
        return self._ask(kind, "POST", path, json=order, headers=headers, timeout=APPLY_SECONDS)

    def _token(self) -> str:
        if self.settings.token_file is None:
            raise ConfigError(
                "no operator token: name its file in JOBMEND_TOKEN_FILE or as token_file in "
                f"{FILES[0]}"
            )
        return tokens.read(self.settings.token_file)

    def _ask(self, kind: type[_Answer], method: str, path: str, **request: Any) -> _Answer:
        try:
            response = self._http.request(method, f"/api/v1/{path}", **request)
        except httpx2.TransportError as error:
            raise Unreachable(
                f"no brain answers at {self.settings.url} ({error}); is jobmend-brain running?"
            ) from error
        except httpx2.HTTPError as error:
            raise BadAnswer(f"{self.settings.url}: {error}") from error
        if response.status_code == 401:
            raise BadAnswer(
                f"{self.settings.token_file}: this is not the operator token of the brain at "
                f"{self.settings.url}; copy the file {tokens.OPERATOR} out of its [store] tokens"
            )
        if response.status_code != 200:
            raise BadAnswer(_refusal(response))
        try:
            return TypeAdapter(kind).validate_json(response.content)
        except ValidationError as error:
            raise BadAnswer(
                f"{self.settings.url} answers, but not as a jobmend brain of this version"
            ) from error


def _address(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
        if url.scheme in ("http", "https") and url.host:
            return url
        why = "it is written as http://host:8807"
    except (httpx2.InvalidURL, ValueError) as error:
        why = str(error)
    where = f"JOBMEND_URL, or url in {FILES[0]}"
    raise ConfigError(f"{text!r} is no address of a brain ({where}): {why}")


def _refusal(response: httpx2.Response) -> str:
    try:
        return printable(str(response.json()["error"]["message"]), 400)
    except (ValueError, KeyError, TypeError):
        return f"{response.url} answered {response.status_code}"


def _user() -> str:
    """Who sits at this terminal, in characters that fit a header."""
    try:
        return getpass.getuser().encode("ascii", "replace").decode()[:100]
    except (KeyError, OSError):
        return str(os.getuid())
