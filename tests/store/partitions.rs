//! Tables that are partitioned by repository, as engines that spread over machines have them: every statement of a request
//! touches one partition.

use std::{collections::BTreeSet, sync::Arc};

use backref::store::{OpenFor, Store};

use crate::{postgres, support::Postgres};

const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/postgres/0001_state.sql")];

/// What is keyed by repository.
const SPREAD: [&str; 7] = ["repository", "subject", "referrer", "attempt", "tag", "alias", "capability"];

const PARTITIONS: usize = 4;

/// The migrations' tables, partitioned by their first two columns.
fn partitioned() -> String {
    let mut sql = MIGRATIONS.concat();
    for table in SPREAD {
        let begin = sql.find(&format!("CREATE TABLE {table} (")).expect("a table");
        let end = begin + sql[begin..].find("\n);").expect("its end");
        let part = |part: usize| {
            let values = format!("FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {part})");
            format!("CREATE TABLE {table}_p{part} PARTITION OF {table} {values};")
        };
        let parts: Vec<String> = (0..PARTITIONS).map(part).collect();
        let spread = format!("\n) PARTITION BY HASH (upstream, repository);\n{}", parts.join("\n"));
        sql.replace_range(end..end + 3, &spread);
    }
    format!("{sql}\nUPDATE backref_schema SET migrations = {};", MIGRATIONS.len())
}

#[test]
fn postgres_store_touches_one_partition_for_each_statement_of_a_request() {
    let server = Postgres::start(&[
        "fsync=off",
        "shared_preload_libraries=auto_explain",
        "auto_explain.log_min_duration=0",
        "auto_explain.log_analyze=on",
        "auto_explain.log_timing=off",
        "log_line_prefix=",
    ]);
    let sql = partitioned();
    let begun = server.log().len();
    crate::on_partitions(|| -> Arc<dyn Store> {
        let url = server.database();
        server.psql(url.rsplit('/').next().expect("a name"), &sql).expect("partitions");
        Arc::new(postgres::open(&url, OpenFor::Serving).expect("a store"))
    });
    let log = server.log();
    let plans: Vec<(&str, BTreeSet<&str>)> = plans(&log[begun..]).collect();
    let statements: BTreeSet<&str> = plans.iter().map(|(statement, _)| *statement).collect();
    // What doesn't ask about one repository, none of which a request needs: what has expired, commands, metrics.
    let is_of_all = |statement: &str| {
        [
            "SKIP LOCKED",
            "WITH RECURSIVE names",
            "SELECT (SELECT count(*) FROM subject",
            "FROM alias LIMIT 1",
            "backref_schema",
            // The operator's page.
            "WITH subjects AS",
            "ORDER BY last_arrival DESC LIMIT $2",
            "version > tag_version ORDER BY repository, subject LIMIT $2",
            "SELECT DISTINCT ON (repository, id)",
            "FROM repository AS this CROSS JOIN LATERAL",
        ]
        .iter()
        .any(|part| statement.contains(part))
            || statement.contains("FROM capability WHERE upstream = $1 AND until")
            || statement.contains("SELECT repository FROM repository")
    };
    let wrong: Vec<_> = plans.iter().filter(|(of, parts)| parts.len() > 1 && !is_of_all(of)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let unsorted: BTreeSet<_> = statements.iter().filter(|of| !is_of_all(of) && scans_a_table(&log, of)).collect();
    assert!(unsorted.is_empty(), "these go along no index: {unsorted:#?}");
    let touching = plans.iter().filter(|(_, parts)| parts.len() == 1).count();
    println!("{} statements, {} executions, {touching} in one partition", statements.len(), plans.len());
    assert!(statements.len() > 50 && touching > 1000, "they were seen: {}, {touching}", statements.len());
}

/// Whether any execution of a statement read a table from its beginning to its end.
fn scans_a_table(log: &str, statement: &str) -> bool {
    let executions = log.split("LOG:  duration: ").filter(|entry| entry.contains(statement));
    executions.flat_map(str::lines).any(|line| line.contains("Seq Scan on") && !line.contains("never executed"))
}

/// Each executed statement, and the partitions that were touched.
fn plans(log: &str) -> impl Iterator<Item = (&str, BTreeSet<&str>)> {
    log.split("LOG:  duration: ").skip(1).filter_map(|entry| {
        let (_, rest) = entry.split_once("Query Text: ")?;
        // The plan's first node has its costs.
        let plan = rest.find("  (cost=").map(|at| rest[..at].rfind('\n').unwrap_or(at))?;
        let (statement, plan) = rest.split_at(plan);
        let touched = plan
            .lines()
            // A change names every partition that it might have touched; only what was scanned counts.
            .filter(|line| line.contains("Scan ") && !line.contains("never executed"))
            .filter_map(|line| line.split("_p").nth(1)?.get(..1))
            .filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
            .collect();
        Some((statement, touched))
    })
}
