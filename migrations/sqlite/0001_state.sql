-- Subjects, their referrers, open attempts, aliases of rewritten manifests, what was
-- learned about upstreams. Times are microseconds since 1970, UTC.

CREATE TABLE subject (
    upstream        TEXT    NOT NULL,
    repository      TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    last_arrival    INTEGER NOT NULL DEFAULT 0,
    version         INTEGER NOT NULL DEFAULT 0,  -- bumped by every change of the set
    tag_version     INTEGER NOT NULL DEFAULT 0,  -- what the referrers tag is known to hold; owed while behind version
    tag_digest      TEXT,                        -- the index that the tag was last known to resolve to
    tag_marked      INTEGER NOT NULL DEFAULT 0,  -- 1: it has backref's mark
    unsettled_until INTEGER,                     -- until then something sent earlier may still change the tag
    lease_owner     TEXT,                        -- which process writes it now
    lease_until     INTEGER,
    checked_at      INTEGER,                     -- when the tag was last read
    PRIMARY KEY (upstream, repository, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX subject_owed ON subject (upstream, repository, subject) WHERE version > tag_version;
CREATE INDEX subject_by_tag ON subject (upstream, repository, tag_digest) WHERE tag_digest IS NOT NULL;

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
CREATE INDEX referrer_deleted ON referrer (changed_at) WHERE state = 'deleted';

CREATE TABLE attempt (
    id         INTEGER NOT NULL PRIMARY KEY,     -- random
    kind       TEXT    NOT NULL CHECK (kind IN ('push', 'delete')),
    upstream   TEXT    NOT NULL,
    repository TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    subject    TEXT,
    tag        TEXT,                             -- one that says the subject, where the attempt moves it
    owner      TEXT,                             -- NULL: given up, to be settled by whoever asks next
    deadline   INTEGER NOT NULL
) STRICT;
CREATE INDEX attempt_by_subject ON attempt (upstream, repository, subject);
CREATE INDEX attempt_by_digest ON attempt (upstream, repository, digest);
CREATE INDEX attempt_by_tag ON attempt (upstream, repository, tag) WHERE tag IS NOT NULL;
CREATE INDEX attempt_without_subject ON attempt (deadline) WHERE subject IS NULL;

-- Tags that say who refers to whom. A referrer known by tags alone is listed as long as one of them is on it.
CREATE TABLE tag (
    upstream   TEXT    NOT NULL,
    repository TEXT    NOT NULL,
    tag        TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    digest     TEXT,                             -- of the referrer; NULL: the tag is on none, or gone
    changed_at INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    PRIMARY KEY (upstream, repository, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_by_digest ON tag (upstream, repository, digest, subject);
CREATE INDEX tag_off ON tag (changed_at) WHERE digest IS NULL;

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
