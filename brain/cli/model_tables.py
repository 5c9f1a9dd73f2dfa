"""Champions and lineage in tables and lines; every line is safe to print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...jobs.actions import Recommendation
from ...jobs.text import printable
from .. import wording
from ..models.lineage import DataPart, Lineage, ModelLineage
from ..models.standings import ChampionEntry, Standing
from .tables import Table

_DIGEST = 12  # characters of a digest that people read
_WIDTH = 16  # of the first column


def standings(found: Iterable[Standing]) -> Table:
    """One line a kind of model."""
    return Table(
        ("SUBJECT", "CHAMPION", "ARM", "SINCE", "LOSS", "IN USE", "CHALLENGER", "WINDOWS", "WHY"),
        [
            (
                it.subject,
                str(it.champion.number) if it.champion else "-",
                it.champion.arm if it.champion else "-",
                wording.when(it.champion.promoted if it.champion else None),
                _loss(it.champion),
                _used(it),
                f"{it.challenger.arm} ({it.challenger.turn})" if it.challenger else "-",
                _windows(it.champion),
                it.champion.why if it.champion else "-",
            )
            for it in found
        ],
    )


def champions(found: Iterable[ChampionEntry]) -> Table:
    """One line a champion."""
    return Table(
        ("SUBJECT", "NUMBER", "SINCE", "ARM", "LOSS", "MODEL", "VERSION", "BY", "WINDOWS", "WHY"),
        [
            (
                it.subject,
                str(it.number),
                wording.when(it.promoted),
                it.arm or "-",
                _loss(it),
                it.digest[:_DIGEST] + (f" (of {it.restores})" if it.restores != it.number else ""),
                it.version or "-",
                it.by or it.turn or "-",
                _windows(it),
                it.why,
            )
            for it in found
        ],
        "there is no champion yet; jobmend learn makes one",
    )


def _windows(champion: ChampionEntry | None) -> str:
    return (wording.length(champion.length) if champion else "") or "-"


def _loss(champion: ChampionEntry | None) -> str:
    return "-" if champion is None or champion.loss is None else f"{champion.loss:.4g}"


def _used(it: Standing) -> str:
    if not it.in_use:
        return "none"
    return f"{it.in_use[:_DIGEST]}{' by hand' if it.by_hand else ''}"


def reasons(it: Recommendation) -> list[str]:
    """Why an action is advised: evidence, and the models that judged."""
    sure = wording.percent(it.advice.probability)
    lines = [
        _line("recommendation", f"{it.id}: {it.workflow.key}"),
        _line(
            "advice", f"{wording.action(it.advice.action)} ({sure}) because of {it.advice.cause}"
        ),
    ]
    lines += [_line(e.kind, e.text) for e in it.advice.evidence]
    lines += [_line("model", f"{name} {it.models[name][:_DIGEST]}") for name in sorted(it.models)]
    return lines if it.models else [*lines, _line("model", "none: rules alone")]


def lineage(found: Lineage) -> list[str]:
    """All that is known of the models behind a recommendation."""
    made = f"{found.recommendation}, made {wording.when(found.created)}"
    lines = [_line("recommendation", made)]
    if found.about:
        lines.append(_line("models", found.about))
    for model in found.models:
        lines += ["", *_model(model)]
    return lines


def _model(it: ModelLineage) -> list[str]:
    lines = [_line("model", f"{it.subject} {it.digest}"), _line("is", it.about)]
    if it.champion is not None:
        since = f"number {it.champion} since {wording.when(it.promoted)}: {it.why}"
        lines.append(_line("champion", since))
    lines += [
        _line(name, told)
        for name, told in (
            ("arm", it.arm),
            ("windows", wording.length(it.length)),
            ("parameters", _pairs(it.params)),
            ("turn", it.turn),
            *(("data", _part(part)) for part in it.parts),
            ("code", it.code),
            ("environment", _pairs(it.environment)),
            ("registry", _pairs(it.registry)),
        )
        if told
    ]
    if it.vetted:
        lines.append(_line("vetted", f"{it.vetted} examples"))
    for word in it.words:
        said = f"{word.after} {word.label}".strip()
        told = f"{wording.when(word.time)} {word.who}: {word.key}: {said} (was {word.before})"
        lines.append(_line("", told))
    return lines


def _part(part: DataPart) -> str:
    when = f"{wording.when(part.first)} to {wording.when(part.last)}"
    digest = f", sha256 {part.digest}" if part.digest else ""
    return f"{part.name}: {part.examples} examples, {when}{digest}"


def _pairs(told: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {one}" for name, one in told.items())


def _line(name: str, told: str) -> str:
    return f"{printable(name, 40):<{_WIDTH}}{printable(told, 1000)}"
