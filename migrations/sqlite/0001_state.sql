-- Subjects, their referrers, attempts whose outcome is not known yet, manifests in two forms, what upstreams can do.
-- Times are microseconds since 1970, UTC.

-- One row: the oldest release that may use the file, by the number of migrations that it knows.
CREATE TABLE schema (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    min_reader INTEGER NOT NULL
) STRICT;
INSERT INTO schema VALUES (1, 1);

-- A referrers tag is stale exactly while version > tag_version.
CREATE TABLE subject (
    upstream        TEXT    NOT NULL,
    repository      TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    last_arrival    INTEGER NOT NULL DEFAULT 0,
    version         INTEGER NOT NULL DEFAULT 0,  -- grows with every change of the set of referrers
    tag_version     INTEGER NOT NULL DEFAULT 0,  -- the last version of which the referrers tag is known to hold all
    tag_digest      TEXT,                        -- the index that the tag was last known to resolve to
    tag_marked      INTEGER NOT NULL DEFAULT 0,  -- 1: that index has backref's mark
    unsettled_until INTEGER,                     -- until then something sent earlier may still change the tag
    lease_owner     TEXT,                        -- which process writes the tag now
    lease_until     INTEGER,
    checked_at      INTEGER,                     -- when the tag was last read
    tag_writes      INTEGER NOT NULL DEFAULT 0,  -- grows whenever a write of the tag begins or ends
    PRIMARY KEY (upstream, repository, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX subject_stale ON subject (upstream, repository, subject) WHERE version > tag_version;
CREATE INDEX subject_marked ON subject (upstream, repository) WHERE tag_marked = 1;
CREATE INDEX subject_by_tag ON subject (upstream, repository, tag_digest) WHERE tag_digest IS NOT NULL;

-- Clustered in the order of OCI's list. The other orders and the filter by type have an index each, in the order of the
-- list that they serve; referrer_by_digest finds a digest's rows whatever the digest refers to.
CREATE TABLE referrer (
    upstream      TEXT    NOT NULL,
    repository    TEXT    NOT NULL,
    subject       TEXT    NOT NULL,              -- '': deleted, and nobody knew its subject
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
CREATE INDEX referrer_by_created ON referrer (upstream, repository, subject, created, arrival, digest)
    WHERE state = 'listed';
CREATE INDEX referrer_by_type ON referrer (upstream, repository, subject, artifact_type, arrival, digest)
    WHERE state = 'listed' AND artifact_type IS NOT NULL;
CREATE INDEX referrer_by_type_created ON referrer (upstream, repository, subject, artifact_type, created, arrival, digest)
    WHERE state = 'listed' AND artifact_type IS NOT NULL;
CREATE INDEX referrer_deleted ON referrer (changed_at) WHERE state = 'deleted';

-- An attempt has a row for each subject of its manifest, so that each subject finds the attempt.
CREATE TABLE attempt (
    id         INTEGER NOT NULL,                 -- random
    subject    TEXT    NOT NULL,                 -- '': not known
    kind       TEXT    NOT NULL CHECK (kind IN ('push', 'delete')),
    upstream   TEXT    NOT NULL,
    repository TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    tag        TEXT,                             -- one that says the subject, where the attempt moves or removes it
    owner      TEXT,                             -- NULL: given up, to be settled by whoever asks next
    deadline   INTEGER NOT NULL,
    PRIMARY KEY (id, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_by_subject ON attempt (upstream, repository, subject);
CREATE INDEX attempt_by_digest ON attempt (upstream, repository, digest);
CREATE INDEX attempt_by_tag ON attempt (upstream, repository, tag) WHERE tag IS NOT NULL;
CREATE INDEX attempt_without_subject ON attempt (deadline) WHERE subject = '';

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
    checked_at INTEGER NOT NULL                  -- when the store was last found to take writes
) STRICT;

-- What an upstream does or doesn't do in a repository, and until when that is believed.
CREATE TABLE capability (
    upstream   TEXT    NOT NULL,
    repository TEXT    NOT NULL,
    what       TEXT    NOT NULL,
    until      INTEGER NOT NULL,
    PRIMARY KEY (upstream, repository, what)
) STRICT, WITHOUT ROWID;
CREATE INDEX capability_until ON capability (until);
