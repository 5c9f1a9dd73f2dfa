"""What a client takes: the text format or OpenMetrics, plain or gzip (RFC 9110, section 12.5)."""

from __future__ import annotations

from functools import lru_cache

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


# A scraper sends the same words every time.
@lru_cache(maxsize=8)
def wants_openmetrics(accept: str) -> bool:
    """Does an Accept header put OpenMetrics 1.0.0 above the text format 0.0.4?

    On a draw the text format is sent; it also goes to who takes neither, as it always did.
    """
    ranges = _parts(accept)
    openmetrics = _media(ranges, "application", "openmetrics-text", "1.0.0")
    return openmetrics > _media(ranges, "text", "plain", "0.0.4")


@lru_cache(maxsize=8)
def wants_gzip(accept_encoding: str) -> bool:
    """Does an Accept-Encoding header take gzip, and no plain answer rather than it?"""
    qualities = {name: quality for name, _, quality in _parts(accept_encoding)}
    either = qualities.get("*", 0.0)
    gzip = qualities.get("gzip", qualities.get("x-gzip", either))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def _media(
    ranges: list[tuple[str, dict[str, str], float]], kind: str, subtype: str, version: str
) -> float:
    """The quality of one media type, by the most specific range that holds it; 0 by none."""
    best = (0, 0.0)
    for name, parameters, quality in ranges:
        asked = parameters.get("version")
        if name == f"{kind}/{subtype}" and asked in (None, version):
            best = max(best, (3 if asked is None else 4, quality))
        elif name == f"{kind}/*":
            best = max(best, (2, quality))
        elif name == "*/*":
            best = max(best, (1, quality))
    return best[1]


def _parts(header: str) -> list[tuple[str, dict[str, str], float]]:
    """The members of such a header: name, parameters, quality."""
    found = []
    for member in header.lower().split(","):
        name, *rest = (word.strip() for word in member.split(";"))
        parameters: dict[str, str] = {}
        for word in rest:
            key, _, value = word.partition("=")
            parameters[key.strip()] = value.strip().strip('"')
        quality = _quality(parameters.pop("q", "1"))
        if name and quality is not None:
            found.append((name, parameters, quality))
    return found


def _quality(text: str) -> float | None:
    """A q-value, 0 to 1; None where it is none (float() would also take "nan" and "1_0")."""
    digits = text.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and len(text) <= 5):
        return None
    return min(float(text), 1.0)
