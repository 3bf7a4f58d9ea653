//! A subject's listed referrers, in the order that was asked for. Each order, with and without a type, is the order of an
//! index: of each form of the subject and each type no more is read than is given, and only that is sorted.

use crate::{
    oci::{Digest, Repository},
    referrers::{Cursor, Order, Query},
    store::postgres::batch::{Value, values},
};

/// By the beginning of the type, as the index has it, and then by the type.
const TYPED: &str = " AND left(artifact_type, 128) = left(wanted.artifact_type, 128)
    AND artifact_type = wanted.artifact_type";

/// Who refers to both forms, by a tag to one of them, stands in the list once: where it came first.
const ONCE: &str = " AND NOT EXISTS (
    SELECT 1 FROM referrer AS other
    WHERE other.upstream = this.upstream AND other.repository = this.repository
    AND other.digest = this.digest AND other.subject = form.other AND other.state = 'listed'
    AND (other.arrival, other.subject) < (this.arrival, this.subject)";

/// Its columns are created, arrival, digest and descriptor; its parameters those of [`parameters`].
pub(crate) fn sql(query: &Query, after: Option<&Cursor>) -> String {
    let descriptor = if query.originals { "coalesce(original, descriptor)" } else { "descriptor" };
    let typed = !query.artifact_types.is_empty();
    let (behind, order) = match query.order {
        Order::Arrival => (" AND (arrival, digest) > ($7, $8)", "arrival, digest"),
        Order::Newest => (" AND (created, arrival, digest) < ($6, $7, $8)", "created DESC, arrival DESC, digest DESC"),
    };
    let (once, also) = match (&query.other_form, query.without_subject) {
        (None, _) => ("", ""),
        (Some(_), true) => (ONCE, ")"),
        (Some(_), false) => (ONCE, " AND other.via = 'subject')"),
    };
    // All parameters are in its text, so that each has a type.
    [
        "SELECT created, arrival, digest, descriptor
         FROM unnest($3::text[], $4::text[]) AS form (subject, other)
         CROSS JOIN unnest($5::text[]) AS wanted (artifact_type) CROSS JOIN LATERAL (
             SELECT created, arrival, digest, ",
        descriptor,
        " AS descriptor FROM referrer AS this
             WHERE upstream = $1 AND repository = $2 AND subject = form.subject AND state = 'listed'",
        if typed { TYPED } else { "" },
        if after.is_some() { behind } else { "" },
        if query.without_subject { "" } else { " AND via = 'subject'" },
        once,
        also,
        " ORDER BY ",
        order,
        " LIMIT $9) AS part
         WHERE ($6::bigint, $7::bigint, $8::text) IS NOT NULL OR true
         ORDER BY ",
        order,
        " LIMIT $9",
    ]
    .concat()
}

/// What [`sql`] needs: up to `limit` rows.
pub(crate) fn parameters<'v>(
    (upstream, repository): (&'v str, &'v Repository),
    query: &'v Query,
    after: Option<&'v Cursor>,
    limit: i64,
) -> Vec<Value<'v>> {
    let mut forms = vec![Some(query.subject.as_str())];
    let mut others = vec![query.other_form.as_ref().map(Digest::as_str)];
    if let Some(other) = &query.other_form {
        forms.push(Some(other.as_str()));
        others.push(Some(query.subject.as_str()));
    }
    let mut types: Vec<Option<&str>> = query.artifact_types.iter().map(|one| Some(&**one)).collect();
    types.sort_unstable();
    types.dedup();
    if types.is_empty() {
        types.push(None);
    }
    values![
        upstream,
        repository.as_str(),
        forms,
        others,
        types,
        after.map(|after| after.created),
        after.map(|after| after.arrival),
        after.map(|after| after.digest.as_str()),
        limit
    ]
}
