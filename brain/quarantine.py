"""The tables of what learning keeps apart, and of what persons said of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ..jobs.text import printable
from .evidence import Evidence, dumps, loads
from .quarantined import (
    PERIOD,
    Item,
    NoSuchMove,
    UnknownItem,
    Vetting,
    Wanted,
    Word,
    label_of,
    short_id,
    standing_words,
)
from .store import Store

_NORMAL = Vetting.NORMAL.value

# ---- writing -----------------------------------------------------------------------------------


def add(db: sqlite3.Connection, item: Item, evidence: Evidence) -> bool:
    """Set an example apart, waiting; False if it is known here, whatever its state."""
    cursor = db.execute(
        "INSERT OR IGNORE INTO quarantine VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        (
            item.subject,
            item.key,
            item.turn,
            item.time,
            item.since,
            item.kind,
            item.p,
            item.reason,
            Vetting.WAITING.value,
            "",
            dumps(evidence),
        ),
    )
    return bool(cursor.rowcount)


def decide(
    store: Store, subject: str, key: str, state: Vetting, label: str, who: str, now: float
) -> Item:
    """Keep a person's word on one item; UnknownItem, or NoSuchMove where the word is none."""
    return decide_all(store, subject, [key], state, label, who, now)[0]


def decide_all(
    store: Store,
    subject: str,
    keys: Sequence[str],
    state: Vetting,
    label: str,
    who: str,
    now: float,
) -> list[Item]:
    """Keep a person's word on several items, on all or on none. Said again it changes nothing."""
    label = label_of(state, label)
    with store.write() as db:
        for key in dict.fromkeys(keys):
            item = _own(db, subject, key)
            if (item.state, item.label) != (state, label):
                _move(db, item, state, label, who, now)
        return [get(db, subject, key) for key in keys]


def undo(store: Store, subject: str, key: str, who: str, now: float) -> Item:
    """Take the last word on an item back; UnknownItem, or NoSuchMove where there is none."""
    return undo_all(store, subject, [key], who, now)[0]


def undo_all(store: Store, subject: str, keys: Sequence[str], who: str, now: float) -> list[Item]:
    """Take the last words on several items back, on all or on none. That is a word too."""
    with store.write() as db:
        for key in dict.fromkeys(keys):
            item = _own(db, subject, key)
            standing = standing_words(words_on(db, subject, key))
            if len(standing) < 2:
                raise NoSuchMove(f"{_name(key)}: nobody has said anything of it by itself")
            _move(db, item, *standing[-2], who, now)
        return [get(db, subject, key) for key in keys]


def _move(
    db: sqlite3.Connection, item: Item, state: Vetting, label: str, who: str, now: float
) -> None:
    db.execute(
        "UPDATE quarantine SET state = ?, label = ? WHERE subject = ? AND key = ?",
        (state.value, label, item.subject, item.key),
    )
    db.execute(
        "INSERT INTO vettings (time, who, subject, key, before, after, label)"
        " VALUES (?,?,?,?,?,?,?)",
        (now, who, item.subject, item.key, item.state.value, state.value, label),
    )


# ---- reading -----------------------------------------------------------------------------------

# An item with the word of its period where it has none of its own.
_HELD = f"""
WITH held AS (
    SELECT q.subject, q.key, q.turn, q.time, q.since, q.kind, q.p, q.reason, q.state AS own,
        iif(q.state = 'waiting', coalesce(period.state, q.state), q.state) AS state,
        iif(q.state = 'waiting', coalesce(period.label, q.label), q.label) AS label,
        q.state = 'waiting' AND period.key IS NOT NULL AND period.key != q.key AS beneath,
        period.key IS q.key AS whole
    FROM quarantine AS q LEFT JOIN quarantine AS period
        ON period.subject = q.subject AND period.key = '{PERIOD}' || q.turn
)
"""


def find(db: sqlite3.Connection, wanted: Wanted, limit: int) -> list[Item]:
    """Items, the newest first."""
    db.create_function("short_id", 2, short_id, deterministic=True)
    named = wanted.named
    rows = db.execute(
        _HELD + "SELECT * FROM held WHERE (:subject IS NULL OR subject = :subject)"
        " AND (:state IS NULL OR state = :state) AND (:kind IS NULL OR kind = :kind)"
        " AND (:turn IS NULL OR turn = :turn)"
        " AND (:named IS NULL OR key = :named OR"
        "   (length(:named) >= 4 AND substr(short_id(subject, key), 1, length(:named)) = :named))"
        " AND (NOT beneath OR :turn IS NOT NULL OR :named IS NOT NULL)"
        " ORDER BY since DESC, whole DESC, p IS NULL, p, key LIMIT :limit",
        {
            "subject": wanted.subject,
            "state": wanted.state and wanted.state.value,
            "kind": wanted.kind,
            "turn": wanted.turn,
            "named": named,
            "limit": limit,
        },
    )
    return [_counted(db, _item(row)) for row in rows]


def waiting(db: sqlite3.Connection, subject: str, limit: int = 10000) -> list[Item]:
    """What waits for a person: a whole period is one item."""
    return find(db, Wanted(subject, Vetting.WAITING), limit)


def get(db: sqlite3.Connection, subject: str, key: str) -> Item:
    """One item; UnknownItem if there is none."""
    row = db.execute(
        _HELD + "SELECT * FROM held WHERE subject = ? AND key = ?", (subject, key)
    ).fetchone()
    if row is None:
        raise UnknownItem(f"{_name(key)}: not in quarantine")
    return _counted(db, _item(row))


def evidence_on(db: sqlite3.Connection, subject: str, key: str) -> Evidence:
    """What was kept with an item; UnknownItem if there is none."""
    row = db.execute(
        "SELECT body FROM quarantine WHERE subject = ? AND key = ?", (subject, key)
    ).fetchone()
    if row is None:
        raise UnknownItem(f"{_name(key)}: not in quarantine")
    return loads(row["body"])


def words_on(db: sqlite3.Connection, subject: str, key: str) -> list[Word]:
    """All that persons said of an item, oldest first."""
    rows = db.execute(
        "SELECT * FROM vettings WHERE subject = ? AND key = ? ORDER BY id", (subject, key)
    )
    return [_word(row) for row in rows]


def decisions(
    db: sqlite3.Connection, subject: str, keys: Collection[str] | None = None
) -> Mapping[str, tuple[Vetting, str]]:
    """State and label by key, of all that was ever set apart or of ``keys``; waiting ones too.

    Of what a person called normal by itself the label is ``normal``. Of what is normal because its
    period is, there is none: what schedulers said of it holds.
    """
    rows = db.execute(
        _HELD + "SELECT key, state, own, label FROM held WHERE subject = ? AND NOT whole",
        (subject,),
    )
    return {
        row["key"]: (Vetting(row["state"]), _NORMAL if row["own"] == _NORMAL else row["label"])
        for row in rows
        if keys is None or row["key"] in keys
    }


def keys_of_turn(db: sqlite3.Connection, subject: str, turn: str) -> set[str]:
    """What a turn set apart and nobody has looked at, by key."""
    rows = db.execute(
        _HELD + "SELECT key FROM held WHERE subject = ? AND turn = ? AND state = 'waiting'",
        (subject, turn),
    )
    return {row["key"] for row in rows}


def counts(db: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How many examples there are of each subject and state; periods are not counted."""
    rows = db.execute(
        _HELD + "SELECT subject, state, count(*) AS n FROM held"
        " WHERE NOT whole GROUP BY subject, state"
    )
    return {(row["subject"], row["state"]): row["n"] for row in rows}


def _own(db: sqlite3.Connection, subject: str, key: str) -> Item:
    """An item with the word on itself alone."""
    item = get(db, subject, key)
    row = db.execute(
        "SELECT state, label FROM quarantine WHERE subject = ? AND key = ?", (subject, key)
    ).fetchone()
    return replace(item, state=Vetting(row["state"]), label=row["label"])


def _counted(db: sqlite3.Connection, item: Item) -> Item:
    if not item.is_period:
        return item
    (n,) = db.execute(
        "SELECT count(*) FROM quarantine WHERE subject = ? AND turn = ? AND state = 'waiting'"
        " AND key != ?",
        (item.subject, item.turn, item.key),
    ).fetchone()
    return replace(item, examples=n)


def _item(row: sqlite3.Row) -> Item:
    return Item(
        row["subject"],
        row["key"],
        row["turn"],
        row["time"],
        row["since"],
        row["kind"],
        row["p"],
        row["reason"],
        Vetting(row["state"]),
        row["label"],
    )


def _word(row: sqlite3.Row) -> Word:
    return Word(
        row["time"],
        row["who"],
        row["key"],
        Vetting(row["before"]),
        Vetting(row["after"]),
        row["label"],
    )


def _name(key: str) -> str:
    return printable(key, 120)
