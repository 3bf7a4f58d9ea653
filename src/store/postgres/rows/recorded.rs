//! What is in the database, read in pieces: for commands that go through all of it while others write.

use crate::store::Recorded;

/// Goes along the locks: whoever has rows has one.
pub(crate) const REPOSITORIES: &str = "
    SELECT repository FROM repository AS this WHERE upstream = $1
    AND (EXISTS (SELECT 1 FROM subject WHERE subject.upstream = $1 AND subject.repository = this.repository)
         OR EXISTS (SELECT 1 FROM attempt WHERE attempt.upstream = $1 AND attempt.repository = this.repository))
    ORDER BY 1";

/// The digests that a manifest refers to.
pub(crate) const SUBJECTS: &str = "
    SELECT subject FROM referrer WHERE upstream = $1 AND repository = $2 AND digest = $3 AND state <> 'deleted'";

/// Which of $4 are listed as referrers of one of the subjects $3.
pub(crate) const LISTED_AMONG: &str = "
    SELECT DISTINCT digest FROM referrer
    WHERE upstream = $1 AND repository = $2 AND digest = ANY ($4::text[]) AND subject = ANY ($3::text[])
    AND state = 'listed'";

/// Each along an index, so that a piece costs what it gives: up to $4 behind $3. Only one of them has $5.
pub(crate) fn sql(which: Recorded) -> &'static str {
    match which {
        Recorded::Subjects => {
            "SELECT subject FROM subject WHERE upstream = $1 AND repository = $2 AND subject > $3
             ORDER BY 1 LIMIT $4"
        }
        Recorded::Quiet(_) => {
            "SELECT subject FROM subject WHERE upstream = $1 AND repository = $2 AND subject > $3
             AND last_arrival < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - $5 ORDER BY 1 LIMIT $4"
        }
        Recorded::Stale => {
            "SELECT subject FROM subject WHERE upstream = $1 AND repository = $2 AND subject > $3
             AND version > tag_version ORDER BY 1 LIMIT $4"
        }
        Recorded::Unresolved => {
            "SELECT DISTINCT subject FROM attempt WHERE upstream = $1 AND repository = $2 AND subject > $3
             ORDER BY 1 LIMIT $4"
        }
        Recorded::Listed => {
            "SELECT DISTINCT digest FROM referrer WHERE upstream = $1 AND repository = $2 AND digest > $3
             AND state = 'listed' ORDER BY 1 LIMIT $4"
        }
        Recorded::Missing => {
            "SELECT DISTINCT digest FROM referrer WHERE upstream = $1 AND repository = $2 AND digest > $3
             AND state = 'missing' ORDER BY 1 LIMIT $4"
        }
    }
}
