//! The OCI conformance suite, directly and through backref.

use std::collections::BTreeMap;

use crate::stand::Stand;
use crate::support::{Home, Kind, Registry};

on_both_upstreams!(
    conformance_cases_that_pass_directly_pass_through_backref,
    conformance_cases_about_referrers_all_pass_through_backref,
);

/// One run of the suite.
struct Run {
    cases: Vec<Case>,
    log: String,
}

struct Case {
    name: String,
    status: String,
}

fn conformance_cases_that_pass_directly_pass_through_backref(kind: Kind) {
    let registry = Registry::of(kind).start();
    let direct = Run::of(registry.host());
    let stand = Stand::up(kind);
    let through = Run::of(stand.backref.host());
    println!("{kind:?}, directly: {}", direct.counts());
    println!("{kind:?}, through backref: {}", through.counts());

    // A name may stand for several cases, and their order is not reported.
    let (before, after) = (direct.passed(), through.passed());
    let fewer = |(name, count): &(&&str, &usize)| after.get(*name).unwrap_or(&0) < *count;
    let lost: Vec<_> = before.iter().filter(fewer).map(|(name, _)| *name).collect();
    assert!(lost.is_empty(), "pass directly, not through backref:{}", through.explain(&lost));
}

fn conformance_cases_about_referrers_all_pass_through_backref(kind: Kind) {
    let stand = Stand::up(kind);
    let run = Run::of(stand.backref.host());
    // A manifest with a subject is tagged like any other. How well its tags are listed and deleted is the registry's
    // own affair: 2.8 knows neither `last` nor a tag's delete. The other scenario holds backref to what it does know.
    let of_tags = |name: &str| name.ends_with("/tag-list") || name.ends_with("/tag-delete");
    let about_referrers = |name: &str| name.contains("referrers") || name.contains("subject");
    let about = |case: &&Case| about_referrers(&case.name) && !of_tags(&case.name);
    let cases: Vec<_> = run.cases.iter().filter(about).collect();
    let passed = cases.iter().filter(|case| case.status == "passed").count();
    println!("{kind:?}: of {} cases about referrers {passed} pass", cases.len());

    // The suite as it is pinned has 147. Far fewer would mean that it skipped them, and this test proved nothing.
    assert!(cases.len() > 100, "only {} cases about referrers", cases.len());
    let not_passed: Vec<_> = cases.iter().filter(|case| case.status != "passed").map(|case| &*case.name).collect();
    assert!(not_passed.is_empty(), "do not pass through backref:{}", run.explain(&not_passed));
}

impl Run {
    fn of(host: &str) -> Self {
        let home = Home::new();
        let results = home.path("results");
        let results = results.to_str().expect("a path in UTF-8");
        let environment =
            [("OCI_REGISTRY", host), ("OCI_TLS", "disabled"), ("OCI_VERSION", "1.1"), ("OCI_RESULTS_DIR", results)];
        // It fails as soon as one case does; the cases are what counts here.
        let outcome = home.outcome("conformance", &environment);
        let cases = cases(&home.read("results/junit.xml"));
        assert!(!cases.is_empty(), "the suite ran no case\n{outcome}");
        Self { cases, log: outcome.to_string() }
    }

    fn counts(&self) -> String {
        let mut counts = BTreeMap::<_, usize>::new();
        for case in &self.cases {
            *counts.entry(&*case.status).or_default() += 1;
        }
        format!("{} cases, {counts:?}", self.cases.len())
    }

    /// How many cases of each name pass.
    fn passed(&self) -> BTreeMap<&str, usize> {
        let mut passed = BTreeMap::new();
        for case in self.cases.iter().filter(|case| case.status == "passed") {
            *passed.entry(&*case.name).or_default() += 1;
        }
        passed
    }

    /// Each of these names with what the suite said about it.
    fn explain(&self, names: &[&str]) -> String {
        let mut lines = Vec::new();
        for name in names {
            let cases = self.cases.iter().filter(|case| case.name == *name);
            let statuses: Vec<_> = cases.map(|case| &*case.status).collect();
            lines.push(format!("\n- {name}: {statuses:?}"));
            let quoted = format!("{name}\"");
            let said = self.log.lines().filter(|line| line.contains(&quoted));
            lines.extend(said.map(|line| format!("    {line}")));
        }
        lines.join("\n")
    }
}

/// The cases of a `JUnit` file, as this suite writes it: one tag to a case, with its name and status.
fn cases(junit: &str) -> Vec<Case> {
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let case = |rest: &str| {
        let tag = format!(" {}", rest.split_once('>')?.0);
        Some(Case { name: attribute(&tag, "name")?, status: attribute(&tag, "status")? })
    };
    let tags = junit.split("<testcase ").skip(1);
    tags.map(|rest| case(rest).expect("a case has a name and a status")).collect()
}
