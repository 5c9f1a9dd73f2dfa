"""TLS as a web configuration file wants it: a context made of the table ``tls_server_config``."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from ..connection import Connection
from ..routes import Site
from .connection import TlsConnection, plain_name
from .errors import WebConfigError
from .file import TlsFile

# Words of exporter-toolkit, which are Go's (https://pkg.go.dev/crypto/tls), and Python's for them.
_CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CURVES = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
# Those of TLS 1.3 are in force together, in Go as in Python's ssl.
_SUITES_13 = frozenset(
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
)


class Tls:
    """TLS as one reading of the file wants it; called with a socket, it makes a connection."""

    def __init__(self, file: TlsFile, folder: Path) -> None:
        """Load certificate and key, relative to ``folder``; WebConfigError where they cannot be."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        _set_versions(context, file)
        _set_ciphers(context, file)
        _load_certificate(context, file, folder)
        _set_clients(context, file, folder)
        self._context = context
        self._sans = frozenset(plain_name(name) for name in file.client_allowed_sans)

    def __call__(self, channel: socket.socket, site: Site) -> Connection:
        """A connection that shakes hands on ``channel`` before all else."""
        return TlsConnection(channel, site, self._context, self._sans)


def _set_versions(context: ssl.SSLContext, file: TlsFile) -> None:
    for key, word in (("min_version", file.min_version), ("max_version", file.max_version)):
        if word not in _VERSIONS:
            raise WebConfigError(
                f"tls_server_config: {key}: {word!r} is not offered here; write TLS12 or TLS13"
            )
    if file.min_version > file.max_version:
        raise WebConfigError(
            "tls_server_config: min_version: it is above max_version; exchange them"
        )
    context.minimum_version = _VERSIONS[file.min_version]
    context.maximum_version = _VERSIONS[file.max_version]


def _set_ciphers(context: ssl.SSLContext, file: TlsFile) -> None:
    where = "tls_server_config: "
    if file.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _choose_suites(context, file, f"{where}cipher_suites")
    if len(file.curve_preferences) > 1:
        raise WebConfigError(f"{where}curve_preferences: one curve can be set here; name one")
    for word in file.curve_preferences:
        if word not in _CURVES:
            raise WebConfigError(
                f"{where}curve_preferences: {word!r} is unknown; known here: {', '.join(_CURVES)}"
            )
        try:
            context.set_ecdh_curve(_CURVES[word])
        except (ssl.SSLError, ValueError) as error:
            raise WebConfigError(
                f"{where}curve_preferences: Python's ssl here cannot set {word}; name another"
            ) from error


def _choose_suites(context: ssl.SSLContext, file: TlsFile, where: str) -> None:
    chosen = frozenset(file.cipher_suites)
    unknown = sorted(chosen - _SUITES_13 - _SUITES.keys())
    if unknown:
        known = ", ".join(_SUITES)
        raise WebConfigError(f"{where}: {unknown[0]!r} is unknown or not safe; known here: {known}")
    if chosen & _SUITES_13 and not chosen >= _SUITES_13:
        raise WebConfigError(
            f"{where}: those of TLS 1.3 are in force together; name all of them or none: "
            f"{', '.join(sorted(_SUITES_13))}"
        )
    older = [_SUITES[word] for word in file.cipher_suites if word in _SUITES]
    if older:
        try:
            context.set_ciphers(":".join(older))
        except ssl.SSLError as error:
            raise WebConfigError(f"{where}: OpenSSL here has none of them; name others") from error
    elif chosen and file.min_version == "TLS12":
        raise WebConfigError(f"{where}: none is for TLS 1.2; name one, or set min_version: TLS13")


def _load_certificate(context: ssl.SSLContext, file: TlsFile, folder: Path) -> None:
    _readable(folder / file.cert_file, "cert_file")
    _readable(folder / file.key_file, "key_file")
    try:
        # An empty password: OpenSSL would ask the terminal for that of an encrypted key.
        context.load_cert_chain(folder / file.cert_file, folder / file.key_file, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise WebConfigError(
            "tls_server_config: cert_file: it and key_file are no PEM certificate with its "
            "unencrypted key; give two that belong together"
        ) from error


def _set_clients(context: ssl.SSLContext, file: TlsFile, folder: Path) -> None:
    where = "tls_server_config: "
    word = file.client_auth_type
    if word not in _CLIENTS:
        # RequestClientCert and RequireAnyClientCert take certificates that nobody vouches for.
        raise WebConfigError(
            f"{where}client_auth_type: {word!r} is not supported; write {', '.join(_CLIENTS)}"
        )
    context.verify_mode = _CLIENTS[word]
    verifies = word != "NoClientCert"
    if verifies != bool(file.client_ca_file):
        cure = "name one" if verifies else "set client_auth_type: RequireAndVerifyClientCert"
        raise WebConfigError(
            f"{where}client_ca_file: clients are verified where there is one; {cure}"
        )
    if file.client_allowed_sans and word != "RequireAndVerifyClientCert":
        raise WebConfigError(
            f"{where}client_allowed_sans: set client_auth_type: RequireAndVerifyClientCert"
        )
    if verifies:
        authority = folder / file.client_ca_file
        _readable(authority, "client_ca_file")
        try:
            context.load_verify_locations(authority)
        except OSError as error:
            raise WebConfigError(
                f"{where}client_ca_file: {authority} is no PEM certificate"
            ) from error


def _readable(path: Path, key: str) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise WebConfigError(
            f"tls_server_config: {key}: {path} cannot be read: {error.strerror}"
        ) from error
