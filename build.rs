//! Tells the program which commit it is of: `SOURCE_COMMIT`, or what git says; of neither, it is unknown.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-env-changed=SOURCE_COMMIT");
    let commit = env::var("SOURCE_COMMIT").ok().or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        // Grows with each commit and checkout.
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rustc-env=BUILD_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=BUILD_PROFILE={}", env::var("PROFILE").as_deref().unwrap_or("unknown"));
}

fn git(arguments: &[&str]) -> Option<String> {
    let said = Command::new("git").args(arguments).output().ok().filter(|said| said.status.success())?;
    Some(String::from_utf8(said.stdout).ok()?.trim().to_owned()).filter(|said| !said.is_empty())
}
