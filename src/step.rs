//! Named steps of what is written, at which tests end the process as `kill -9` does. Only tests are built with the feature
//! `failpoints`: elsewhere a step is nothing.

/// The step of that name is over. `FAILPOINTS="NAME=return"` ends the process here; `NAME=2*off->return` does so the third
/// time.
#[cfg(feature = "failpoints")]
pub(crate) fn step(name: &str) {
    static READ: std::sync::Once = std::sync::Once::new();
    // For as long as the process lives.
    READ.call_once(|| std::mem::forget(fail::FailScenario::setup()));
    fail::fail_point!(name, |_| {
        let killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        unreachable!("{killed:?}")
    });
}

/// Nothing.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn step(_: &str) {}
