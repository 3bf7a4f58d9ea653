//! `backref doctor --write REPOSITORY`: what the registry takes, and what backref does about it.

use http::StatusCode;

use super::{
    printer::{Health, Line},
    work::{Work, of_repository},
};
use crate::{
    config::{ReferrersTagMode, RewriteMode},
    oci::Repository,
    operator::{OperatorError, RepositorySession, Trial},
};

/// Tries pushes, and says what came of each.
pub(super) async fn try_pushes(work: &Work, repository: Repository) -> Result<(), OperatorError> {
    let session = work.operator.repository(repository, true);
    let Some(trial) = work.unless_given_up(session.try_pushes()).await else { return Ok(()) };
    let lines = match trial {
        Ok(trial) => lines(work, &trial),
        Err(error) => vec![("trial", Health::Fail, format!("pushes could not be tried: {error}"))],
    };
    for (kind, health, message) in lines {
        say(work, &session, kind, health, message);
    }
    Ok(())
}

fn say(work: &Work, session: &RepositorySession, kind: &'static str, health: Health, message: String) {
    let line = Line { status: Some(health), message, ..of_repository(kind, session) };
    if matches!(health, Health::Fail) { work.printer.finding(&line) } else { work.printer.say(&line) }
}

fn lines(work: &Work, trial: &Trial) -> Vec<(&'static str, Health, String)> {
    let config = &work.operator.app().config;
    if !trial.image.is_success() {
        let message = format!("it takes no image manifest ({}): these credentials can't push here", trial.image);
        return vec![("image", Health::Fail, message)];
    }
    let mut lines = vec![("image", Health::Ok, "it takes image manifests".to_owned())];
    lines.push(if trial.referrer.is_success() {
        ("subject", Health::Ok, "it takes image manifests with a subject: signatures and SBOMs of today's clients".to_owned())
    } else {
        let message = format!(
            "it takes no image manifest with a subject and an artifact type of its own ({}): what is attached has to be of a \
             type that it knows (rewrite.config_type)",
            trial.referrer
        );
        ("subject", Health::Fail, message)
    });
    lines.push(if trial.index.is_success() {
        ("index", Health::Ok, "it takes indexes with a subject".to_owned())
    } else {
        ("index", Health::Warn, format!("it takes no indexes with a subject ({})", trial.index))
    });
    let wrapped = match config.rewrite.mode {
        RewriteMode::Never => "passed through (rewrite.mode is never)",
        RewriteMode::Auto if trial.artifact.is_success() => "passed through",
        RewriteMode::Auto | RewriteMode::Always => "wrapped in image manifests",
    };
    let taken = if trial.artifact.is_success() { "takes" } else { "refuses" };
    let health = if !trial.artifact.is_success() && config.rewrite.mode == RewriteMode::Never {
        Health::Fail
    } else {
        Health::Ok
    };
    lines.push(("artifact", health, format!("it {taken} artifact manifests ({}): they are {wrapped}", trial.artifact)));
    lines.push(match (trial.listed, trial.says_listed) {
        (Some(true), true) => (
            "api",
            Health::Ok,
            "it lists referrers itself, and says so of a push: no referrers tag is written".to_owned(),
        ),
        (Some(true), false) => {
            ("api", Health::Ok, "it lists referrers itself: its list is read at each query".to_owned())
        }
        (Some(false), _) => {
            let message = "its referrers API does not list what was just pushed: backref's list does".to_owned();
            ("api", Health::Warn, message)
        }
        (None, _) => ("no-api", Health::Ok, "it has no referrers API: backref's list is the answer".to_owned()),
    });
    let writes = config.referrers.tag == ReferrersTagMode::Write && !(trial.listed == Some(true) && trial.says_listed);
    let health = |ok: bool| if ok || !writes { Health::Ok } else { Health::Fail };
    lines.push(if !trial.tag.is_success() {
        let message = format!(
            "it refuses a referrers tag ({}): allow tags sha256-<hex>, or set referrers.tag = \"off\"",
            trial.tag
        );
        ("tag", health(false), message)
    } else if !trial.tag_again.is_success() {
        let message = format!(
            "it refuses to overwrite a tag ({}): take tags sha256-<hex> out of its immutability, or set referrers.tag = \"off\"",
            trial.tag_again
        );
        ("immutable-tags", health(false), message)
    } else {
        ("tag", Health::Ok, "a referrers tag can be written, and overwritten".to_owned())
    });
    lines.push(if trial.left.is_empty() {
        ("deletes", Health::Ok, "it takes deletes: what was tried is gone again".to_owned())
    } else {
        let left: Vec<String> = trial.left.iter().map(ToString::to_string).collect();
        let why = if trial.delete == StatusCode::METHOD_NOT_ALLOWED {
            "deletes are off there"
        } else {
            "deletes are refused"
        };
        let message = format!(
            "{why} ({}): referrers tags' old indexes stay, and so does what was tried: {}",
            trial.delete,
            left.join(", ")
        );
        ("no-deletes", Health::Warn, message)
    });
    lines
}
