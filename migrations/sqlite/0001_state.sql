-- Subjects, their referrers, open attempts, aliases of rewritten manifests, what was
-- learned about upstreams. Times are microseconds since 1970, UTC.

CREATE TABLE subject (
    upstream        TEXT    NOT NULL,
    repository      TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    last_arrival    INTEGER NOT NULL DEFAULT 0,
    version         INTEGER NOT NULL DEFAULT 0,  -- bumped by every change of the set
    tag_version     INTEGER NOT NULL DEFAULT 0,  -- what the fallback tag is known to hold; owed while behind version
    tag_digest      TEXT,
    unsettled_until INTEGER,
    lease_owner     TEXT,
    lease_until     INTEGER,
    checked_at      INTEGER,
    PRIMARY KEY (upstream, repository, subject)
) STRICT, WITHOUT ROWID;

-- Clustered in the order of a list; the index finds a digest's rows whatever they refer to.
CREATE TABLE referrer (
    upstream      TEXT    NOT NULL,
    repository    TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    arrival       INTEGER NOT NULL,
    digest        TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('listed', 'missing', 'deleted')),
    via           TEXT    NOT NULL CHECK (via IN ('subject', 'refers', 'tag')),
    artifact_type TEXT,
    created       INTEGER NOT NULL DEFAULT -9223372036854775808,  -- without one: before all others
    descriptor    TEXT    NOT NULL,              -- rendered, in the form that the upstream holds
    original      TEXT,                          -- rendered, as it was pushed; NULL where that is the same
    changed_at    INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    PRIMARY KEY (upstream, repository, subject, arrival, digest)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX referrer_by_digest ON referrer (upstream, repository, digest, subject);

CREATE TABLE attempt (
    id         INTEGER NOT NULL PRIMARY KEY,     -- random
    kind       TEXT    NOT NULL CHECK (kind IN ('push', 'delete')),
    upstream   TEXT    NOT NULL,
    repository TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    subject    TEXT,
    owner      TEXT,                             -- NULL: given up, to be settled by whoever asks next
    deadline   INTEGER NOT NULL
) STRICT;
CREATE INDEX attempt_by_subject ON attempt (upstream, repository, subject);
CREATE INDEX attempt_by_digest ON attempt (upstream, repository, digest);

CREATE TABLE alias (
    upstream     TEXT    NOT NULL,
    repository   TEXT    NOT NULL,
    original     TEXT    NOT NULL,               -- as it was pushed
    carrier      TEXT    NOT NULL,               -- as the upstream holds it
    carrier_size INTEGER NOT NULL,
    media_type   TEXT    NOT NULL,
    bytes        BLOB    NOT NULL,               -- the original's
    PRIMARY KEY (upstream, repository, original)
) STRICT;
CREATE INDEX alias_by_carrier ON alias (upstream, repository, carrier);

CREATE TABLE upstream (
    name       TEXT    NOT NULL PRIMARY KEY,
    learned    TEXT    NOT NULL DEFAULT '{}',    -- JSON: what, until when
    checked_at INTEGER NOT NULL DEFAULT 0
) STRICT;
