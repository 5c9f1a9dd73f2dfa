"""The tables of the brain's store, as the steps from each version of the schema to the next."""

from __future__ import annotations

_FIRST = """
CREATE TABLE events (
    key TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    received REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX events_by_run ON events (run);

CREATE TABLE runs (
    key TEXT PRIMARY KEY,
    cluster TEXT NOT NULL,
    scheduler TEXT NOT NULL,
    workflow TEXT NOT NULL,
    site TEXT NOT NULL,
    started REAL,
    ended REAL,
    verdict TEXT NOT NULL CHECK (verdict IN ('active', 'success', 'failed', 'other')),
    blames_site INTEGER NOT NULL,
    accounted INTEGER NOT NULL,
    changed REAL NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX runs_by_workflow ON runs (cluster, workflow, verdict);
CREATE INDEX runs_by_site ON runs (cluster, site, ended);
CREATE INDEX runs_by_change ON runs (changed);

CREATE TABLE workflows (
    cluster TEXT NOT NULL,
    name TEXT NOT NULL,
    changed REAL NOT NULL,
    warned REAL,
    judged REAL,
    PRIMARY KEY (cluster, name)
) WITHOUT ROWID;

CREATE TABLE recommendations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cluster TEXT NOT NULL,
    workflow TEXT NOT NULL,
    cause TEXT NOT NULL,
    action TEXT NOT NULL,
    state TEXT NOT NULL,
    facts TEXT NOT NULL,
    created REAL NOT NULL,
    moved REAL NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX recommendations_by_workflow ON recommendations (cluster, workflow, id);
CREATE UNIQUE INDEX one_open_recommendation ON recommendations (cluster, workflow)
    WHERE state IN ('proposed', 'approved', 'applied');

CREATE TABLE steps (
    recommendation INTEGER NOT NULL REFERENCES recommendations (id),
    number INTEGER NOT NULL,
    cluster TEXT NOT NULL,
    scheduler TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planned', 'started', 'done', 'failed')),
    body TEXT NOT NULL,
    PRIMARY KEY (recommendation, number)
) WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    recommendation INTEGER,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_recommendation ON audit (recommendation);
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_final BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

CREATE TABLE windows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    received REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE window_owners (
    run TEXT NOT NULL,
    window INTEGER NOT NULL REFERENCES windows (id) ON DELETE CASCADE,
    PRIMARY KEY (run, window)
) WITHOUT ROWID;
CREATE INDEX window_owners_by_window ON window_owners (window);

CREATE TABLE cursors (
    cluster TEXT NOT NULL,
    scheduler TEXT NOT NULL,
    time REAL NOT NULL,
    PRIMARY KEY (cluster, scheduler)
) WITHOUT ROWID;
"""

# Ends that were given up and never come back, nodes and their outages, statuses of sites over
# time, how far a backfill is.
_SECOND = """
CREATE TABLE given_up (
    run TEXT NOT NULL,
    exit TEXT NOT NULL,
    received REAL NOT NULL,
    PRIMARY KEY (run, exit)
) WITHOUT ROWID;

CREATE TABLE nodes (
    cluster TEXT NOT NULL,
    scheduler TEXT NOT NULL,
    site TEXT NOT NULL,
    node TEXT NOT NULL,
    PRIMARY KEY (cluster, scheduler, site, node)
) WITHOUT ROWID;

CREATE TABLE outages (
    cluster TEXT NOT NULL,
    scheduler TEXT NOT NULL,
    node TEXT NOT NULL,
    since REAL NOT NULL,
    until REAL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (cluster, scheduler, node, since)
) WITHOUT ROWID;
CREATE INDEX outages_by_time ON outages (cluster, since);

CREATE TABLE node_polls (
    cluster TEXT NOT NULL,
    scheduler TEXT NOT NULL,
    time REAL NOT NULL,
    PRIMARY KEY (cluster, scheduler)
) WITHOUT ROWID;

CREATE TABLE site_spells (
    cluster TEXT NOT NULL,
    site TEXT NOT NULL,
    since REAL NOT NULL,
    until REAL,
    status TEXT NOT NULL,
    PRIMARY KEY (cluster, site, since)
) WITHOUT ROWID;

CREATE TABLE backfills (
    cluster TEXT NOT NULL,
    scheduler TEXT NOT NULL,
    reached REAL NOT NULL,
    begun REAL NOT NULL,
    PRIMARY KEY (cluster, scheduler)
) WITHOUT ROWID;

CREATE INDEX runs_by_end ON runs (ended);
CREATE INDEX runs_owed ON runs (cluster, scheduler, ended) WHERE NOT accounted;
"""

# The learning loop: turns and their steps, champions and what they were made of, what waits for a
# person, what persons said (append-only), drift of each turn.
_THIRD = """
CREATE TABLE turns (
    id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    begun REAL NOT NULL,
    ended REAL,
    state TEXT NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX turns_by_subject ON turns (subject, begun);

CREATE TABLE turn_steps (
    turn TEXT NOT NULL REFERENCES turns (id),
    step TEXT NOT NULL,
    begun REAL NOT NULL,
    seconds REAL NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (turn, step)
) WITHOUT ROWID;

CREATE TABLE champions (
    subject TEXT NOT NULL,
    number INTEGER NOT NULL,
    digest TEXT NOT NULL,
    turn TEXT NOT NULL,
    promoted REAL NOT NULL,
    why TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (subject, number)
) WITHOUT ROWID;
CREATE INDEX champions_by_digest ON champions (digest);

CREATE TABLE quarantine (
    subject TEXT NOT NULL,
    key TEXT NOT NULL,
    turn TEXT NOT NULL,
    time REAL NOT NULL,
    since REAL NOT NULL,
    kind TEXT NOT NULL,
    p REAL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'normal', 'anomaly', 'ignored')),
    label TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (subject, key)
) WITHOUT ROWID;
CREATE INDEX quarantine_by_state ON quarantine (subject, state, since);

CREATE TABLE vettings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    who TEXT NOT NULL,
    subject TEXT NOT NULL,
    key TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    label TEXT NOT NULL
);
CREATE INDEX vettings_by_key ON vettings (subject, key);
CREATE TRIGGER vettings_are_kept BEFORE DELETE ON vettings
    BEGIN SELECT RAISE(ABORT, 'vettings are append-only'); END;
CREATE TRIGGER vettings_are_final BEFORE UPDATE ON vettings
    BEGIN SELECT RAISE(ABORT, 'vettings are append-only'); END;

CREATE TABLE drifts (
    turn TEXT NOT NULL REFERENCES turns (id),
    feature TEXT NOT NULL,
    psi REAL,
    ks REAL,
    p REAL,
    PRIMARY KEY (turn, feature)
) WITHOUT ROWID;
"""

# Retention: what was decided outlives the runs it was about, the audit is kept from a time on.
_FOURTH = """
CREATE TABLE decided_tasks (
    recommendation INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX decided_tasks_by_time ON decided_tasks (time);

CREATE TABLE horizons (
    what TEXT PRIMARY KEY,
    time REAL NOT NULL
) WITHOUT ROWID;
DROP TRIGGER audit_is_kept;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
    WHEN OLD.time >= coalesce((SELECT time FROM horizons WHERE what = 'audit'), -1e300)
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only from its horizon on'); END;
"""

# What turns of learning have seen of the days that they read: digests, and the turn that was first.
_FIFTH = """
CREATE TABLE seen (
    subject TEXT NOT NULL,
    mark BLOB NOT NULL,
    turn TEXT NOT NULL,
    time REAL NOT NULL,
    PRIMARY KEY (subject, mark)
) WITHOUT ROWID;
"""

# A store of version n has had the first n of these; a new one gets them all.
STEPS = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH)
