//! What every store has to do, run on each store there is; and what a SQLite file has to stand.

#[path = "../support/mod.rs"]
mod support;

mod attempts;
mod cost;
mod file;
mod inventory;
mod lists;
mod opening;
mod partitions;
mod postgres;
mod processes;
mod referrers_tags;
mod relation_tags;
mod relations;
mod sets;
mod transfer;
mod upstreams;
mod world;

use std::{path::Path, process::Command, sync::Arc};

use backref::store::{OpenError, OpenFor, SqliteStore, Store};
use tempfile::TempDir;

/// Runs each case of a module on a store of its own, of each kind.
macro_rules! on_each_store {
    ($($module:ident: $($case:ident),+ $(,)?;)+) => {
        mod on_sqlite {
            $(mod $module {
                $(#[test]
                fn $case() {
                    let folder = crate::folder();
                    let store = crate::open(&folder.path().join("backref.db")).expect("a new store");
                    crate::block_on(crate::$module::$case(store));
                })+
            })+
        }

        /// Each case on tables that are spread by repository.
        fn on_partitions(open: impl Fn() -> std::sync::Arc<dyn backref::store::Store>) {
            $($(
                println!("{}", stringify!($case));
                crate::block_on(crate::$module::$case(open()));
            )+)+
        }

        mod on_postgres {
            $(mod $module {
                $(#[test]
                fn $case() {
                    crate::block_on(crate::$module::$case(crate::postgres::new_store()));
                })+
            })+
        }
    };
}

on_each_store! {
    relations:
        store_a_held_relation_is_listed,
        store_a_repeated_push_keeps_its_place,
        store_a_deleted_referrer_that_comes_back_goes_last,
        store_repositories_and_upstreams_are_apart,
        store_a_verdict_on_old_knowledge_is_refused,
        store_a_verdict_beside_an_open_attempt_is_refused,
        store_a_delete_marks_what_a_push_on_its_way_will_find,
        store_a_missing_referrer_is_not_listed_until_seen_again,
        store_many_findings_are_applied_each_on_its_own_knowledge,
        store_what_is_recorded_is_read_in_pieces;
    lists:
        store_lists_are_filtered_and_paged,
        store_a_type_may_be_any_text,
        store_a_type_counts_once_however_often_it_is_asked_for,
        store_newest_first_goes_by_creation_and_those_without_come_last,
        store_a_cursor_stays_right_while_rows_come_and_go,
        store_refers_counts_only_when_asked_for,
        store_who_refers_to_both_forms_is_listed_once,
        store_entries_are_those_of_the_tag_and_no_more_than_fit;
    attempts:
        store_attempts_are_orphans_once_released_or_late,
        store_a_delete_is_found_by_each_subject_of_its_manifest,
        store_a_delete_that_is_over_in_time_is_over_for_each_subject,
        store_a_delete_is_found_by_subjects_that_its_manifest_gets_meanwhile,
        store_a_delete_is_found_by_the_subject_of_a_push_on_its_way,
        store_orphans_come_settled_for_good_first_and_no_more_than_asked_for,
        store_a_query_begins_with_both_forms_attempts;
    relation_tags:
        store_who_a_relation_tag_is_on_is_listed_and_who_it_left_is_not,
        store_one_of_two_tags_is_enough,
        store_a_tag_taken_off_leaves_who_says_it_itself,
        store_a_deleted_manifest_takes_its_tags_along,
        store_a_verdict_on_an_old_tag_is_refused,
        store_a_delete_or_a_push_under_the_same_tag_stands_beside,
        store_orphans_on_a_tag_are_told_apart_from_those_on_the_digest;
    referrers_tags:
        store_a_tag_that_is_forgotten_stays_as_stale_as_it_is,
        store_a_tag_is_unsettled_for_as_long_as_is_said,
        store_what_a_tag_is_seen_to_hold_counts_if_it_was_not_written_since,
        store_an_index_is_known_as_long_as_its_entries_are_listed,
        store_a_write_that_was_refused_undoes_nothing_that_was_seen_since,
        store_a_clients_list_makes_open_deletes_ask_again,
        store_what_is_listed_already_makes_no_tag_stale_when_it_is_settled,
        store_a_tag_that_differs_is_marked_stale,
        store_tags_of_many_subjects_come_in_their_order,
        store_a_tag_that_was_only_asked_for_leaves_nothing;
    sets:
        store_many_digests_are_looked_at_in_their_order,
        store_of_many_digests_those_listed_are_told,
        store_both_forms_of_a_manifest_are_found_by_either,
        store_candidates_come_from_both_forms_the_newest_first;
    inventory:
        store_counts_are_of_each_repository,
        store_subjects_come_by_their_last_change_in_pieces,
        store_referrers_are_shown_with_those_that_are_missing,
        store_what_is_pending_is_named,
        store_manifests_are_found_by_the_beginning_of_a_digest;
    upstreams:
        store_capabilities_are_kept_of_each_repository_for_a_while;
}

#[test]
fn sqlite_store_one_process_writes_a_tag_at_a_time() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let one = open(&path).expect("a new store");
    let other = Arc::new(SqliteStore::open(&path, OpenFor::Command, 1).expect("commands work beside it"));
    block_on(referrers_tags::store_one_process_writes_a_tag_at_a_time(one, other));
}

#[test]
fn postgres_store_one_process_writes_a_tag_at_a_time() {
    let url = support::Postgres::shared().database();
    let open = || Arc::new(postgres::open(&url, OpenFor::Serving).expect("as many as want to"));
    block_on(referrers_tags::store_one_process_writes_a_tag_at_a_time(open(), open()));
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("store-").tempdir().expect("a folder")
}

fn open(path: &Path) -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(SqliteStore::open(path, OpenFor::Serving, 1)?))
}

/// The same file again. A child that another test has just forked holds all open files, and their locks with them, until
/// it executes its program.
fn reopen(path: &Path) -> Arc<dyn Store> {
    let started = std::time::Instant::now();
    loop {
        match open(path) {
            Err(OpenError::InUse(_)) if started.elapsed().as_secs() < 10 => std::thread::yield_now(),
            opened => return opened.expect("the same store"),
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Debian's `sqlite3`, as an operator would use it.
fn sqlite3(path: &Path, sql: &str) -> String {
    let output = Command::new("sqlite3").arg(path).arg(sql).output().expect("sqlite3, which tests/run installs");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
