//! Clients that leave in the middle of a push or delete: once the upstream has the whole request, they change nothing.

use crate::manifests::{delete, path, push};
use crate::stand::{Hold, Stand, push_request};
use crate::support::{Holdings, served, sha256, until};
use crate::wire::Wire;

/// The client hangs up, and backref has taken notice.
fn leave(stand: &Stand, wire: Wire) {
    drop(wire);
    until("backref to close the connection of a client that left", || (served(&stand.backref) == 0).then_some(()));
}

#[test]
fn disconnect_before_the_whole_manifest_was_sent_has_no_effect() {
    let stand = Stand::up(Holdings::serve);
    let (head, body) = push_request(&stand.referrer("gone"));
    let whole = [head.as_bytes(), &body].concat();
    for sent in [1, head.len() - 2, head.len(), head.len() + 1, whole.len() - 1] {
        let mut wire = Wire::to(stand.backref.host());
        wire.send(&whole[..sent]);
        leave(&stand, wire);
    }
    // A later push shows that backref had time to act on the earlier ones.
    let other = push(stand.backref.host(), &stand.referrer("other"));
    assert_eq!(stand.listed(), [other]);
    assert_eq!(stand.fake.count("PUT"), 1);
}

#[test]
fn disconnect_before_the_last_chunk_of_a_manifest_has_no_effect() {
    let stand = Stand::up(Holdings::serve);
    let manifest = stand.referrer("gone");
    let mut wire = Wire::to(stand.backref.host());
    let (target, length) = (path(&sha256(&manifest)), manifest.len());
    wire.send(format!("PUT {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n"));
    wire.send(&manifest);
    // The whole manifest, without the chunk that ends the body.
    wire.send("\r\n");
    leave(&stand, wire);
    assert_eq!(stand.listed(), [""; 0]);
    assert_eq!(stand.fake.count("PUT"), 0);
}

#[test]
fn disconnect_right_after_the_manifest_lists_it_exactly_if_the_registry_has_it() {
    let mut stand = Stand::up(Holdings::serve);
    let manifest = stand.referrer("a");
    let (head, body) = push_request(&manifest);
    let mut wire = Wire::to(stand.backref.host());
    wire.send([head.as_bytes(), &body].concat());
    drop(wire);
    // Backref may find the client gone before it has read the manifest; once the upstream has it, it counts. A drain
    // ends when nothing is on its way any more.
    assert!(stand.backref.terminate().success());
    stand.backref.start();
    let listed = stand.listed();
    assert_eq!(listed == [sha256(&manifest)], stand.holdings.holds(&path(&sha256(&manifest))), "{listed:?}");
}

#[test]
fn disconnect_before_the_registry_acts_on_a_push_still_records_it() {
    let put = Hold::new("PUT");
    let hold = put.clone();
    let stand = Stand::up(move |holdings, visit| hold.serve(holdings, visit));
    let manifest = stand.referrer("a");
    let (head, body) = push_request(&manifest);
    let mut wire = Wire::to(stand.backref.host());
    wire.send([head.as_bytes(), &body].concat());
    put.act.wait_for(1);
    leave(&stand, wire);
    put.act.open();
    put.answer.open();
    until("the push to be recorded", || (stand.listed() == [sha256(&manifest)]).then_some(()));
}

#[test]
fn disconnect_before_the_registry_answers_a_push_still_records_it() {
    let put = Hold::new("PUT");
    let hold = put.clone();
    let stand = Stand::up(move |holdings, visit| hold.serve(holdings, visit));
    let manifest = stand.referrer("a");
    let (head, body) = push_request(&manifest);
    put.act.open();
    let mut wire = Wire::to(stand.backref.host());
    wire.send([head.as_bytes(), &body].concat());
    put.answer.wait_for(1);
    leave(&stand, wire);
    put.answer.open();
    until("the push to be recorded", || (stand.listed() == [sha256(&manifest)]).then_some(()));
}

#[test]
fn disconnect_during_a_delete_still_records_it() {
    let deletes = Hold::new("DELETE");
    let hold = deletes.clone();
    let stand = Stand::up(move |holdings, visit| hold.serve(holdings, visit));
    let digest = push(stand.backref.host(), &stand.referrer("a"));
    let mut wire = Wire::to(stand.backref.host());
    wire.send(format!("DELETE {} HTTP/1.1\r\nHost: a\r\n\r\n", path(&digest)));
    deletes.act.wait_for(1);
    leave(&stand, wire);
    deletes.act.open();
    deletes.answer.open();
    until("the delete to be recorded", || stand.listed().is_empty().then_some(()));
    assert_eq!(delete(stand.backref.host(), &digest).status, 404);
}

#[test]
fn disconnect_in_the_middle_of_an_answer_disturbs_no_other_request() {
    let stand = Stand::up(|holdings, visit| {
        if visit.head.target() == "/large" {
            visit.answer("200 OK", &[], vec![0; 64 << 20]);
        } else {
            holdings.serve(visit);
        }
    });
    let mut wire = Wire::to(stand.backref.host());
    wire.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.head().status(), 200);
    wire.take(1000);
    leave(&stand, wire);
    // No other request gets the upstream connection that has the rest of that answer on it.
    for _ in 0..3 {
        assert_eq!(stand.listed(), [""; 0]);
    }
}
