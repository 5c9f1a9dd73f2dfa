"""A web configuration file as exporter-toolkit defines it, read strictly.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md names the keys.
A key that is unknown, or cannot be honoured here, is refused: settings of safety are not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ...jobs.text import printable
from .errors import WebConfigError

# Values that a header may have; None: any. An empty one leaves the header out.
HEADERS: Mapping[str, tuple[str, ...] | None] = {
    "Content-Security-Policy": None,
    "Strict-Transport-Security": None,
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": None,
}
# Keys of the toolkit that Python's ssl or this endpoint cannot honour, and the cure.
_REFUSED = {
    "cert": "name a file by cert_file",
    "key": "name a file by key_file",
    "client_ca": "name a file by client_ca_file",
    "rate_limit": "rates are not limited here; leave it out",
}
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)


@dataclass(frozen=True)
class TlsFile:
    """The table ``tls_server_config``."""

    cert_file: str = ""
    key_file: str = ""
    client_auth_type: str = "NoClientCert"
    client_ca_file: str = ""
    client_allowed_sans: tuple[str, ...] = ()
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files it names, as they stand there."""
        return tuple(filter(None, (self.cert_file, self.key_file, self.client_ca_file)))


@dataclass(frozen=True)
class WebFile:
    """The whole file; ``users`` holds a bcrypt hash for each name."""

    tls: TlsFile | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)


def parse(text: bytes) -> WebFile:
    """The file whose content is ``text``; WebConfigError names the key and the cure."""
    top = _table(_load(text), "the file")
    _know(top, ("tls_server_config", "http_server_config", "basic_auth_users"), "")
    tls = _table(top.get("tls_server_config"), "tls_server_config")
    return WebFile(
        _tls(tls) if tls else None,
        _headers(_table(top.get("http_server_config"), "http_server_config")),
        _users(_table(top.get("basic_auth_users"), "basic_auth_users")),
    )


def cost_of(stored: str) -> int:
    """The cost (2^cost rounds) of a bcrypt hash; ValueError where it is none."""
    found = _BCRYPT.fullmatch(stored)
    if found is None or not 4 <= int(found[1]) <= 31:
        raise ValueError("no bcrypt hash")
    return int(found[1])


def _load(text: bytes) -> Any:
    """What the YAML says: tables and lists of text, and no name twice in a table."""
    try:
        import yaml
    except ImportError as error:
        raise WebConfigError(
            "PyYAML is needed to read it: install python3-pyyaml, or jobmend[web] from PyPI"
        ) from error

    class Loader(yaml.BaseLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen: set[str] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, str):
                    raise _mistake("a name is one word or several", key_node.start_mark)
                if key in seen:
                    raise _mistake(f"{printable(key)} stands there twice", key_node.start_mark)
                seen.add(key)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text.decode(), Loader)
    except UnicodeDecodeError as error:
        raise WebConfigError("it is not UTF-8") from error
    except yaml.MarkedYAMLError as error:
        # The error's own text would quote the line, which may hold a password's hash.
        raise _mistake(f"not YAML: {error.problem}", error.problem_mark) from error
    except yaml.YAMLError as error:
        raise WebConfigError("it is not YAML") from error


def _mistake(sentence: str, mark: Any) -> WebConfigError:
    return WebConfigError(f"line {mark.line + 1}: {sentence}" if mark else sentence)


def _table(value: Any, where: str) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise WebConfigError(f"{where}: names and values are wanted here, one a line")
    return value


def _know(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        place = f"{where}{printable(key)}"
        if key in _REFUSED:
            raise WebConfigError(f"{place}: not supported; {_REFUSED[key]}")
        if key not in known:
            raise WebConfigError(f"{place}: no such key; known here: {', '.join(known)}")


def _tls(table: Mapping[str, Any]) -> TlsFile:
    where = "tls_server_config: "
    _know(table, tuple(entry.name for entry in fields(TlsFile)), where)
    given: dict[str, Any] = {}
    for entry in fields(TlsFile):
        value = table.get(entry.name, "")
        if value == "":
            continue
        kind = type(entry.default)
        if kind is tuple:
            words = value if isinstance(value, list) else [None]
            given[entry.name] = tuple(_text(word, f"{where}{entry.name}") for word in words)
        elif kind is bool:
            if value not in ("true", "false"):
                raise WebConfigError(f"{where}{entry.name}: write true or false")
            given[entry.name] = value == "true"
        else:
            given[entry.name] = _text(value, f"{where}{entry.name}")
    for key in ("cert_file", "key_file"):
        if key not in given:
            raise WebConfigError(f"{where}{key}: missing; TLS needs a certificate and its key")
    return TlsFile(**given)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise WebConfigError(f"{where}: text is wanted here, and a list where there are several")
    return value


def _headers(table: Mapping[str, Any]) -> dict[str, str]:
    where = "http_server_config: "
    _know(table, ("http2", "headers"), where)
    if table.get("http2", "false") != "false":
        raise WebConfigError(f"{where}http2: HTTP/1.1 alone is spoken; leave it out or write false")
    headers = _table(table.get("headers"), f"{where}headers")
    _know(headers, tuple(HEADERS), f"{where}headers: ")
    found = {}
    for name, value in headers.items():
        text = _text(value, f"{where}headers: {name}")
        allowed = HEADERS[name]
        if text and allowed and text not in allowed:
            raise WebConfigError(f"{where}headers: {name}: may be {' or '.join(allowed)}")
        if not (text.isascii() and text.isprintable()):
            raise WebConfigError(f"{where}headers: {name}: one line of plain ASCII is wanted")
        found[name] = text
    return found


def _users(table: Mapping[str, Any]) -> dict[str, str]:
    for name, stored in table.items():
        where = f"basic_auth_users: {printable(name)}"
        if not name or ":" in name:
            raise WebConfigError(f"{where}: a user's name is not empty and holds no colon")
        try:
            cost_of(stored if isinstance(stored, str) else "")
        except ValueError as error:
            raise WebConfigError(
                f"{where}: no bcrypt hash of a password; make one with htpasswd -nBC 10 ''"
            ) from error
    return dict(table)
