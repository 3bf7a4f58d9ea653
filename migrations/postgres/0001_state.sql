-- Subjects, their referrers, attempts whose outcome is not known yet, manifests in two forms, what upstreams can do.
-- Times are microseconds since 1970, UTC, by the database's clock. All that a request touches has (upstream, repository) in
-- front of its key: a repository is what can be moved to a server of its own. The application has no other order than that of
-- the rows, so no sequences; texts that are compared or ordered are so byte by byte.

-- One row: how many migrations were applied, and the oldest release that may use them, by the number that it knows.
CREATE TABLE backref_schema (
    one        integer NOT NULL PRIMARY KEY CHECK (one = 1),
    migrations integer NOT NULL,
    min_reader integer NOT NULL
);
INSERT INTO backref_schema VALUES (1, 0, 1);

-- Processes that use the database, and until when each is known to live.
CREATE TABLE process (
    owner       text COLLATE "C" NOT NULL PRIMARY KEY,
    alive_until bigint           NOT NULL
);

-- Whoever changes anything in a repository has its row locked: one change after the other, whichever process makes it.
CREATE TABLE repository (
    upstream   text COLLATE "C" NOT NULL,
    repository text COLLATE "C" NOT NULL,
    writes     bigint           NOT NULL DEFAULT 0,
    PRIMARY KEY (upstream, repository)
);

-- A referrers tag is stale exactly while version > tag_version.
CREATE TABLE subject (
    upstream        text COLLATE "C" NOT NULL,
    repository      text COLLATE "C" NOT NULL,
    subject         text COLLATE "C" NOT NULL,
    last_arrival    bigint           NOT NULL DEFAULT 0,
    version         bigint           NOT NULL DEFAULT 0,     -- grows with every change of the set of referrers
    tag_version     bigint           NOT NULL DEFAULT 0,     -- the last version of which the referrers tag is known to hold all
    tag_digest      text COLLATE "C",                        -- the index that the tag was last known to resolve to
    tag_marked      boolean          NOT NULL DEFAULT false, -- that index has backref's mark
    unsettled_until bigint,                                  -- until then something sent earlier may still change the tag
    lease_owner     text COLLATE "C",                        -- which process writes the tag now
    lease_until     bigint,
    checked_at      bigint,                                  -- when the tag was last read
    tag_writes      bigint           NOT NULL DEFAULT 0,     -- grows whenever a write of the tag begins or ends
    PRIMARY KEY (upstream, repository, subject)
);
CREATE INDEX subject_stale ON subject (upstream, repository, subject) WHERE version > tag_version;
CREATE INDEX subject_marked ON subject (upstream, repository) WHERE tag_marked;
CREATE INDEX subject_by_tag ON subject (upstream, repository, tag_digest) WHERE tag_digest IS NOT NULL;

-- Each order of a list, with and without a type, has an index in that order; the key finds a digest's rows whatever the
-- digest refers to.
CREATE TABLE referrer (
    upstream      text COLLATE "C" NOT NULL,
    repository    text COLLATE "C" NOT NULL,
    digest        text COLLATE "C" NOT NULL,
    subject       text COLLATE "C" NOT NULL,                 -- '': deleted, and nobody knew its subject
    arrival       bigint           NOT NULL,
    state         text COLLATE "C" NOT NULL CHECK (state IN ('listed', 'missing', 'deleted')),
    via           text COLLATE "C" NOT NULL CHECK (via IN ('subject', 'refers', 'tag')),
    artifact_type text COLLATE "C",
    created       bigint           NOT NULL,                 -- the smallest number where there is none: before all others
    descriptor    text             NOT NULL,                 -- rendered, in the form that the upstream holds
    original      text,                                      -- rendered, as it was pushed; NULL where that is the same
    changed_at    bigint           NOT NULL,
    version       bigint           NOT NULL,
    PRIMARY KEY (upstream, repository, digest, subject)
);
CREATE INDEX referrer_by_arrival ON referrer (upstream, repository, subject, arrival, digest) WHERE state = 'listed';
CREATE INDEX referrer_by_created ON referrer (upstream, repository, subject, created, arrival, digest)
    WHERE state = 'listed';
-- Nothing says how long a type may be, and a row of an index has room for 2,700 bytes: the rest of a type is compared in the table.
CREATE INDEX referrer_by_type ON referrer (upstream, repository, subject, left(artifact_type, 128), arrival, digest)
    WHERE state = 'listed' AND artifact_type IS NOT NULL;
CREATE INDEX referrer_by_type_created ON referrer
    (upstream, repository, subject, left(artifact_type, 128), created, arrival, digest)
    WHERE state = 'listed' AND artifact_type IS NOT NULL;
CREATE INDEX referrer_missing ON referrer (upstream, repository, subject, arrival, digest) WHERE state = 'missing';
CREATE INDEX referrer_deleted ON referrer (changed_at) WHERE state = 'deleted';

-- An attempt has a row for each subject of its manifest, so that each subject finds the attempt.
CREATE TABLE attempt (
    upstream   text COLLATE "C" NOT NULL,
    repository text COLLATE "C" NOT NULL,
    id         bigint           NOT NULL,                    -- random
    subject    text COLLATE "C" NOT NULL,                    -- '': not known
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('push', 'delete')),
    digest     text COLLATE "C" NOT NULL,
    tag        text COLLATE "C",                             -- one that says the subject, where the attempt moves or removes it
    owner      text COLLATE "C",                             -- NULL: given up, to be settled by whoever asks next
    deadline   bigint           NOT NULL,
    PRIMARY KEY (upstream, repository, id, subject)
);
CREATE INDEX attempt_by_subject ON attempt (upstream, repository, subject);
CREATE INDEX attempt_by_digest ON attempt (upstream, repository, digest);
CREATE INDEX attempt_by_tag ON attempt (upstream, repository, tag) WHERE tag IS NOT NULL;
CREATE INDEX attempt_without_subject ON attempt (deadline) WHERE subject = '';

-- Tags that say who refers to whom. A referrer known by tags alone is listed as long as one of them is on it.
CREATE TABLE tag (
    upstream   text COLLATE "C" NOT NULL,
    repository text COLLATE "C" NOT NULL,
    tag        text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    digest     text COLLATE "C",                             -- of the referrer; NULL: the tag is on none, or gone
    changed_at bigint           NOT NULL,
    version    bigint           NOT NULL,
    PRIMARY KEY (upstream, repository, tag)
);
CREATE INDEX tag_by_digest ON tag (upstream, repository, digest, subject);
CREATE INDEX tag_off ON tag (changed_at) WHERE digest IS NULL;

CREATE TABLE alias (
    upstream     text COLLATE "C" NOT NULL,
    repository   text COLLATE "C" NOT NULL,
    original     text COLLATE "C" NOT NULL,                  -- as it was pushed
    carrier      text COLLATE "C" NOT NULL,                  -- as the upstream holds it
    carrier_size bigint           NOT NULL,
    media_type   text             NOT NULL,
    bytes        bytea            NOT NULL,                  -- the original's
    PRIMARY KEY (upstream, repository, original)
);
CREATE INDEX alias_by_carrier ON alias (upstream, repository, carrier);

CREATE TABLE upstream (
    name       text COLLATE "C" NOT NULL PRIMARY KEY,
    checked_at bigint           NOT NULL                     -- when the store was last found to take writes
);

-- What an upstream does or doesn't do in a repository, and until when that is believed.
CREATE TABLE capability (
    upstream   text COLLATE "C" NOT NULL,
    repository text COLLATE "C" NOT NULL,
    what       text COLLATE "C" NOT NULL,
    until      bigint           NOT NULL,
    PRIMARY KEY (upstream, repository, what)
);
CREATE INDEX capability_until ON capability (until);
