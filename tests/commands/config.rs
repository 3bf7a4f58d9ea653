//! `config` and `man`: what can be looked at without a registry.

use std::process::Command;

use crate::run::finish;

fn backref(args: &[&str]) -> crate::run::Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backref"));
    finish(command.args(args).env_remove("BACKREF_CONFIG").env("BACKREF_REFERRERS_RECHECK", "1m"))
}

#[test]
fn config_check_names_every_mistake_and_show_every_setting() {
    let ran = backref(&["config", "check", "--upstream", "ftp://a", "--listen", "here"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(2), 2), "{ran:?}");
    let ran = backref(&["config", "check", "--upstream", "http://a"]);
    assert!(ran.code == Some(0) && ran.stdout.contains("as they should be"), "{ran:?}");
    let ran = backref(&["config", "show", "--upstream", "http://a"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let line = |name: &str| ran.stdout.lines().find(|line| line.starts_with(name)).expect("a line").to_owned();
    assert!(line("upstream.url ").ends_with("= \"http://a\"  (--upstream)"), "{ran:?}");
    assert!(line("referrers.recheck ").ends_with("= \"1m\"  (BACKREF_REFERRERS_RECHECK)"), "{ran:?}");
    assert!(line("referrers.tag ").ends_with("= \"write\"  (default)"), "{ran:?}");
    let ran = backref(&["config", "show", "--json", "--upstream", "http://a"]);
    let first = &ran.lines()[0];
    assert_eq!((first["setting"].as_str(), first["source"].as_str()), (Some("listen"), Some("default")));
}

#[test]
fn man_is_a_manual_page() {
    let ran = backref(&["man"]);
    assert!(
        ran.code == Some(0) && ran.stdout.contains(".TH backref 1") && ran.stdout.contains(".SH SUBCOMMANDS"),
        "{ran:?}"
    );
}
