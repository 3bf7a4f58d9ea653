//! A part of a list: of one form of the subject, and of one artifact type or all. It is the SQL that rows come in order by.

use rusqlite::{Result, Rows, Statement, ToSql};

use crate::{
    oci::{Digest, Repository},
    referrers::{Order, Query},
};

/// Which part.
pub(crate) struct Part<'q> {
    pub(crate) subject: &'q Digest,
    pub(crate) other_form: Option<&'q Digest>,
    pub(crate) artifact_type: Option<&'q str>,
}

impl Part<'_> {
    /// Begins to read it by a statement of [`sql`]'s.
    pub(crate) fn rows<'s>(
        &self,
        statement: &'s mut Statement<'_>,
        (upstream, repository): (&str, &Repository),
        query: &Query,
    ) -> Result<Rows<'s>> {
        let repository = repository.as_str();
        let (subject, other) = (self.subject.as_str(), self.other_form.map(Digest::as_str));
        let after = query.after.as_ref();
        let (created, arrival) = (after.map(|after| after.created), after.map(|after| after.arrival));
        let digest = after.map(|after| after.digest.as_str());
        let values: [&dyn ToSql; 8] =
            [&upstream, &repository, &subject, &other, &self.artifact_type, &created, &arrival, &digest];
        // Those behind the last that the query needs are not in its text.
        statement.query(&values[..statement.parameter_count()])
    }
}

/// Its columns are created, arrival, digest and descriptor; its parameters those of [`Part::rows`], in that order.
pub(crate) fn sql(query: &Query) -> String {
    let descriptor = if query.originals { "coalesce(original, descriptor)" } else { "descriptor" };
    let (typed, continued) = (!query.artifact_types.is_empty(), query.after.is_some());
    let index = match (query.order, typed) {
        // The table itself.
        (Order::Arrival, false) => "",
        (Order::Arrival, true) => " INDEXED BY referrer_by_type",
        (Order::Newest, false) => " INDEXED BY referrer_by_created",
        (Order::Newest, true) => " INDEXED BY referrer_by_type_created",
    };
    let (after, order) = match query.order {
        Order::Arrival => (" AND (arrival, digest) > (?7, ?8)", "arrival, digest"),
        Order::Newest => (" AND (created, arrival, digest) < (?6, ?7, ?8)", "created DESC, arrival DESC, digest DESC"),
    };
    // Who refers to both forms, by a tag to one of them, stands in the list once: where it came first.
    let (once, also) = match (&query.other_form, query.without_subject) {
        (None, _) => ("", ""),
        (Some(_), true) => (ONCE, ")"),
        (Some(_), false) => (ONCE, " AND other.via = 'subject')"),
    };
    [
        "SELECT created, arrival, digest, ",
        descriptor,
        " FROM referrer AS this",
        index,
        " WHERE upstream = ?1 AND repository = ?2 AND subject = ?3 AND state = 'listed'",
        if typed { " AND artifact_type = ?5" } else { "" },
        if continued { after } else { "" },
        if query.without_subject { "" } else { " AND via = 'subject'" },
        once,
        also,
        " ORDER BY ",
        order,
    ]
    .concat()
}

const ONCE: &str = " AND NOT EXISTS (
    SELECT 1 FROM referrer AS other INDEXED BY referrer_by_digest
    WHERE other.upstream = this.upstream AND other.repository = this.repository
    AND other.digest = this.digest AND other.subject = ?4 AND other.state = 'listed'
    AND (other.arrival, other.subject) < (this.arrival, this.subject)";

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, StatementStatus, params};

    use super::*;
    use crate::referrers::Cursor;

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

    /// Each order, with and without a type, of one form and of two, from the beginning and from somewhere behind it.
    fn every() -> Vec<Query> {
        let mut all = Vec::new();
        for order in [Order::Arrival, Order::Newest] {
            for artifact_type in [None, Some("a"), Some("z")] {
                for (two_forms, continued) in [(false, false), (false, true), (true, false), (true, true)] {
                    let digest = |text| Digest::parse(text).unwrap();
                    let (created, arrival) = if order == Order::Arrival { (0, -1) } else { (1, 1) };
                    all.push(Query {
                        subject: digest("t:s"),
                        other_form: two_forms.then(|| digest("t:other")),
                        artifact_types: artifact_type.map(str::to_owned).into_iter().collect(),
                        after: continued.then(|| Cursor { created, arrival, digest: digest("t:0") }),
                        limit: 10,
                        order,
                        originals: two_forms,
                        without_subject: false,
                    });
                }
            }
        }
        all
    }

    #[test]
    fn store_query_follows_an_index_and_sorts_nothing() {
        let db = store(3);
        for query in every() {
            let steps = plan(&db, &query);
            let (index, range) = match (query.order, query.artifact_types.is_empty()) {
                (Order::Arrival, true) => ("PRIMARY KEY", " AND (arrival,digest)>(?,?)"),
                (Order::Arrival, false) => ("INDEX referrer_by_type", " AND (arrival,digest)>(?,?)"),
                (Order::Newest, true) => ("INDEX referrer_by_created", " AND (created,arrival,digest)<(?,?,?)"),
                (Order::Newest, false) => ("INDEX referrer_by_type_created", " AND (created,arrival,digest)<(?,?,?)"),
            };
            let of_type = if query.artifact_types.is_empty() { "" } else { " AND artifact_type=?" };
            let range = if query.after.is_some() { range } else { "" };
            let keys = format!("upstream=? AND repository=? AND subject=?{of_type}{range}");
            assert_eq!(steps[0], format!("SEARCH this USING {index} ({keys})"), "{query:?}");
            assert!(steps.iter().all(|step| !step.contains("TEMP B-TREE") && !step.contains("SCAN")), "{steps:?}");
        }
    }

    fn plan(db: &Connection, query: &Query) -> Vec<String> {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {}", sql(query))).unwrap();
        let values = vec![None::<i64>; plan.parameter_count()];
        let steps = plan.query_map(rusqlite::params_from_iter(values), |row| row.get(3)).unwrap();
        steps.map(Result::unwrap).collect()
    }

    #[test]
    fn store_query_page_costs_the_same_however_many_referrers_there_are() {
        let cost = |db: &Connection, query: &Query| {
            let mut statement = db.prepare(&sql(query)).unwrap();
            let artifact_type = query.artifact_types.first().map(String::as_str);
            let part = Part { subject: &query.subject, other_form: query.other_form.as_ref(), artifact_type };
            let mut rows = part.rows(&mut statement, ("up", &Repository::parse("app").unwrap()), query).unwrap();
            let mut found = 0;
            while found < 10 && rows.next().unwrap().is_some() {
                found += 1;
            }
            drop(rows);
            assert_eq!(found, if artifact_type == Some("z") { 0 } else { 10 });
            for sorted_or_scanned in [StatementStatus::Sort, StatementStatus::FullscanStep, StatementStatus::AutoIndex]
            {
                assert_eq!(statement.get_status(sorted_or_scanned), 0);
            }
            statement.get_status(StatementStatus::VmStep)
        };
        let (short, long) = (store(20), store(2000));
        for query in every() {
            assert_eq!(cost(&short, &query), cost(&long, &query), "{query:?}");
        }
    }
}
