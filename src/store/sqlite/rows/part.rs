//! A part of a list: of one form of the subject, and of one artifact type or all. It is the SQL that rows come in order by.

use crate::referrers::{Order, Query};

/// What a part begins after: created, arrival, digest.
pub(crate) fn after(query: &Query) -> (i64, i64, &str) {
    match (&query.after, query.order) {
        (Some(after), _) => (after.created, after.arrival, after.digest.as_str()),
        (None, Order::Arrival) => (i64::MIN, i64::MIN, ""),
        // Behind any digest: they are ASCII.
        (None, Order::Newest) => (i64::MAX, i64::MAX, "\u{10ffff}"),
    }
}

/// Its parameters: upstream, repository, subject, the subject's other form, artifact type, and [`after`].
pub(crate) fn sql(query: &Query) -> String {
    let descriptor = if query.originals { "coalesce(original, descriptor)" } else { "descriptor" };
    let typed = !query.artifact_types.is_empty();
    let index = match (query.order, typed) {
        // The table itself.
        (Order::Arrival, false) => "",
        (Order::Arrival, true) => "INDEXED BY referrer_by_type",
        (Order::Newest, false) => "INDEXED BY referrer_by_created",
        (Order::Newest, true) => "INDEXED BY referrer_by_type_created",
    };
    let (after, order) = match query.order {
        Order::Arrival => ("(arrival, digest) > (?7, ?8)", "arrival, digest"),
        Order::Newest => ("(created, arrival, digest) < (?6, ?7, ?8)", "created DESC, arrival DESC, digest DESC"),
    };
    let (of_type, stated) = (
        if typed { "AND artifact_type = ?5" } else { "" },
        if query.without_subject { "" } else { "AND via = 'subject'" },
    );
    // Who refers to both forms, by a tag to one of them, stands in the list once: where it came first.
    let once = if query.other_form.is_none() {
        String::new()
    } else {
        let also = if query.without_subject { "" } else { "AND other.via = 'subject'" };
        format!(
            "AND NOT EXISTS (
                 SELECT 1 FROM referrer AS other INDEXED BY referrer_by_digest
                 WHERE other.upstream = this.upstream AND other.repository = this.repository
                 AND other.digest = this.digest AND other.subject = ?4 AND other.state = 'listed' {also}
                 AND (other.arrival, other.subject) < (this.arrival, this.subject))"
        )
    };
    format!(
        "SELECT created, arrival, digest, {descriptor} FROM referrer AS this {index}
         WHERE upstream = ?1 AND repository = ?2 AND subject = ?3 AND state = 'listed' {of_type} AND {after} {stated} {once}
         ORDER BY {order}"
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, StatementStatus, params};

    use super::*;
    use crate::oci::Digest;

    /// A subject with that many listed referrers, every other of type a, as many that were deleted, and nothing of type z.
    fn store(many: i64) -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../../../../migrations/sqlite/0001_state.sql")).unwrap();
        for n in 0..many {
            for (at, state) in [(n, "listed"), (many + n, "deleted")] {
                let artifact_type = if n % 2 == 0 { "a" } else { "b" };
                db.execute(
                    "INSERT INTO referrer VALUES ('up', 'app', 't:s', ?1, 't:' || ?1, ?2, 'subject', ?3, -?1, '', NULL, 0, 1)",
                    params![at, state, artifact_type],
                )
                .unwrap();
            }
        }
        db
    }

    fn query(order: Order, artifact_type: Option<&str>, two_forms: bool) -> Query {
        Query {
            subject: Digest::parse("t:s").unwrap(),
            other_form: two_forms.then(|| Digest::parse("t:other").unwrap()),
            artifact_types: artifact_type.map(str::to_owned).into_iter().collect(),
            after: None,
            limit: 10,
            order,
            originals: false,
            without_subject: false,
        }
    }

    fn every() -> impl Iterator<Item = Query> {
        let typed = [None, Some("a"), Some("z")];
        let of = move |order| typed.into_iter().flat_map(move |one| [false, true].map(|two| query(order, one, two)));
        [Order::Arrival, Order::Newest].into_iter().flat_map(of)
    }

    #[test]
    fn store_query_follows_an_index_and_sorts_nothing() {
        let db = store(3);
        for query in every() {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {}", sql(&query))).unwrap();
            let steps = plan.query_map([const { None::<i64> }; 8], |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<_> = steps.map(Result::unwrap).collect();
            let index = match (query.order, query.artifact_types.is_empty()) {
                (Order::Arrival, true) => {
                    "PRIMARY KEY (upstream=? AND repository=? AND subject=? AND (arrival,digest)>(?,?))"
                }
                (Order::Arrival, false) => {
                    "INDEX referrer_by_type \
                     (upstream=? AND repository=? AND subject=? AND artifact_type=? AND (arrival,digest)>(?,?))"
                }
                (Order::Newest, true) => {
                    "INDEX referrer_by_created \
                     (upstream=? AND repository=? AND subject=? AND (created,arrival,digest)<(?,?,?))"
                }
                (Order::Newest, false) => {
                    "INDEX referrer_by_type_created \
                     (upstream=? AND repository=? AND subject=? AND artifact_type=? AND (created,arrival,digest)<(?,?,?))"
                }
            };
            assert_eq!(steps[0], format!("SEARCH this USING {index}"), "{query:?}");
            assert!(steps.iter().all(|step| !step.contains("TEMP B-TREE") && !step.contains("SCAN")), "{steps:?}");
        }
    }

    #[test]
    fn store_query_page_costs_the_same_however_many_referrers_there_are() {
        let cost = |many, query: &Query| {
            let db = store(many);
            let mut statement = db.prepare(&sql(query)).unwrap();
            let (created, arrival, digest) = after(query);
            let (other, one) = (query.other_form.as_ref().map(Digest::as_str), query.artifact_types.first());
            let mut rows = statement.query(params!["up", "app", "t:s", other, one, created, arrival, digest]).unwrap();
            let mut found = 0;
            while found < 10 && rows.next().unwrap().is_some() {
                found += 1;
            }
            drop(rows);
            assert_eq!(found, if one.is_some_and(|one| one == "z") { 0 } else { 10 });
            let status = |kind| statement.get_status(kind);
            assert_eq!(status(StatementStatus::Sort), 0);
            assert_eq!(status(StatementStatus::FullscanStep), 0);
            status(StatementStatus::VmStep)
        };
        for query in every() {
            assert_eq!(cost(20, &query), cost(2000, &query), "{query:?}");
        }
    }
}
