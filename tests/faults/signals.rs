//! Signals that mean nothing here, and logs that go nowhere: neither ends backref.

use rustix::process::{Pid, Signal, kill_process};

use crate::stand::Stand;
use crate::support::http;
use crate::support::{Backref, Holdings, until};

fn send(backref: &Backref, signal: Signal) {
    let pid = i32::try_from(backref.pid()).expect("a process id");
    kill_process(Pid::from_raw(pid).expect("not zero"), signal).expect("it runs");
}

fn assert_serves(stand: &Stand) {
    assert_eq!(http::get(&format!("{}/v2/", stand.backref.url()), &[]).status, 200);
    assert_eq!(http::get(&format!("{}/livez", stand.backref.admin_url()), &[]).status, 200);
}

#[test]
fn signals_without_a_meaning_do_not_end_backref() {
    let mut stand = Stand::up(Holdings::serve);
    for signal in [Signal::USR1, Signal::USR2, Signal::HUP, Signal::HUP] {
        send(&stand.backref, signal);
        assert_serves(&stand);
    }
    // The line is for operators who expect a reload.
    until("a line about SIGHUP", || stand.backref.log().contains("SIGHUP: no setting").then_some(()));
    assert_eq!(stand.backref.terminate().code(), Some(0));
}

#[test]
fn signals_and_refusals_do_not_end_backref_where_no_log_line_can_be_written() {
    // A terminal that was closed, a full disk: each line fails.
    let mut stand = Stand::with(Holdings::serve, |backref| backref.on_sqlite().shell("exec 2>/dev/full"));
    for _ in 0..3 {
        send(&stand.backref, Signal::HUP);
        // Requests that log a line each, of the store and of the upstream.
        std::fs::remove_file(stand.backref.database()).ok();
        let answer = crate::manifests::push_as(stand.backref.host(), "v1", &stand.referrer("refused"));
        assert_eq!(answer.status, 503);
        assert_serves(&stand);
    }
    assert_eq!(stand.backref.terminate().code(), Some(0));
}
