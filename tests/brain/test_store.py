"""The store's file and the token files: what cannot be used is said in one sentence."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from jobmend.brain import tokens
from jobmend.brain.store import SCHEMA_VERSION, Store, StoreError
from jobmend.brain.tokens import TokenError, matches


def test_a_store_is_made_once_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "brain.db"
    Store(path).close()
    store = Store(path)
    with store.read() as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            db.execute("DELETE FROM events")
    store.close()


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "brain.db"
    path.write_bytes(b"not a database, but long enough to look like one" * 40)
    with pytest.raises(StoreError, match=r"brain\.db: file is not a database"):
        Store(path)
    with pytest.raises(StoreError, match="unable to open"):
        Store(tmp_path)


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "brain.db"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=f"has schema 99, .* reads up to {SCHEMA_VERSION}"):
        Store(path)


def test_a_write_is_all_or_nothing_and_seen_by_readers_at_its_end(tmp_path: Path) -> None:
    store = Store(tmp_path / "brain.db")
    with store.write() as db:
        db.execute("INSERT INTO cursors VALUES ('c', 's', 1)")
        with store.read() as reader:
            assert reader.execute("SELECT count(*) FROM cursors").fetchone()[0] == 0
    with pytest.raises(KeyError), store.write() as db:
        db.execute("DELETE FROM cursors")
        raise KeyError
    with store.read() as reader:
        assert reader.execute("SELECT count(*) FROM cursors").fetchone()[0] == 1
    store.close()


def test_tokens_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    made = tokens.ensure(folder)
    assert tokens.ensure(folder) == made
    assert made.ingest != made.operator
    assert len(made.operator) >= 40 and made.operator not in repr(made)
    names = ["ingest", "operator", "scorer.key"]
    for name in names:
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in folder.iterdir()) == names


def test_a_token_file_that_others_can_read_or_that_is_empty_is_refused(tmp_path: Path) -> None:
    tokens.ensure(tmp_path)
    path = tmp_path / "operator"
    path.chmod(0o640)
    with pytest.raises(TokenError, match="mode 0640 lets others read it; chmod 600"):
        tokens.ensure(tmp_path)
    path.chmod(0o600)
    path.write_text("\n")
    with pytest.raises(TokenError, match="holds no token"):
        tokens.ensure(tmp_path)
    with pytest.raises(TokenError, match="nowhere: cannot be read"):
        tokens.read(tmp_path / "nowhere")


def test_only_the_token_itself_matches() -> None:
    assert matches("Bearer secret", "secret")
    assert matches("bearer  secret ", "secret")
    for header in (None, "", "Bearer", "Bearer ", "secret", "Basic secret", "Bearer secret2"):
        assert not matches(header, "secret")
    assert not matches("Bearer s\udce9cret", "secret")


def test_a_store_of_version_1_is_brought_up_to_date_with_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "brain.db"
    with sqlite3.connect(path) as db:
        db.executescript((Path(__file__).parent / "schema-1.sql").read_text())
        db.execute("INSERT INTO cursors VALUES ('c1', 'slurm', 7.0)")
        db.execute("INSERT INTO events VALUES ('k', 'r', 'start', '{}', 1.0)")
        db.execute("INSERT INTO audit (time, who, what, detail) VALUES (1.0, 'me', 'looked', '')")
    db.close()
    fresh = tmp_path / "fresh.db"
    for store in (Store(path), Store(fresh)):
        store.close()
    with sqlite3.connect(path) as old, sqlite3.connect(fresh) as new:
        tables = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"
        assert old.execute(tables).fetchall() == new.execute(tables).fetchall()
        assert old.execute("SELECT * FROM cursors").fetchall() == [("c1", "slurm", 7.0)]
        assert old.execute("SELECT key FROM events").fetchall() == [("k",)]
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            old.execute("DELETE FROM audit")
        assert old.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
    old.close()
    new.close()
