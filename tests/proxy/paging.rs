//! Referrers queries in pages, by number and by size: each referrer once, also while referrers come and go.

use serde_json::{Value, json};

use crate::manifests::{INDEX, REPOSITORY, delete, push};
use crate::stand::{Stand, up};
use crate::support::http;
use crate::wire::error_code;

/// One page: the digests on it, its size, and the target of the next.
struct Page {
    digests: Vec<String>,
    size: usize,
    next: Option<String>,
    body: Value,
}

impl Stand {
    fn first(&self, query: &str) -> Page {
        self.page(&format!("/v2/{REPOSITORY}/referrers/{}{query}", self.subject))
    }

    fn page(&self, target: &str) -> Page {
        let answer = http::get(&format!("{}{target}", self.backref.url()), &[]);
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        assert_eq!(answer.header("Content-Type"), INDEX);
        let body = answer.json();
        let manifests = body["manifests"].as_array().expect("an index");
        let digests = manifests.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect();
        let next = answer.headers.get("Link").map(|link| {
            let link = link.to_str().expect("ASCII");
            let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
            let target = target.unwrap_or_else(|| panic!("not the form that clients read: {link}"));
            assert!(target.starts_with("/v2/"), "relative, so that it is of the origin that was asked: {target}");
            target.to_owned()
        });
        Page { digests, size: answer.body.len(), next, body }
    }

    /// All pages from the first on.
    fn pages(&self, query: &str) -> Vec<Page> {
        let mut pages = vec![self.first(query)];
        while let Some(next) = pages.last().and_then(|page| page.next.clone()) {
            pages.push(self.page(&next));
            assert!(pages.len() <= 100, "the pages have no end: {next}");
        }
        pages
    }
}

fn digests(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| page.digests.clone()).collect()
}

#[test]
fn paging_by_n_lists_everything_once_in_order() {
    let stand = up();
    let pushed: Vec<_> = (0..7).map(|number| stand.push(&number.to_string())).collect();
    for (n, sizes) in [(1, vec![1; 7]), (3, vec![3, 3, 1]), (7, vec![7]), (100, vec![7])] {
        let pages = stand.pages(&format!("?n={n}"));
        assert_eq!(digests(&pages), pushed, "n={n}");
        assert_eq!(pages.iter().map(|page| page.digests.len()).collect::<Vec<_>>(), sizes, "n={n}");
    }
}

#[test]
fn paging_keeps_the_filter_on_the_next_page() {
    let stand = up();
    let name = |number: i32| if number % 2 == 0 { "even+even" } else { "odd" };
    for number in 0..9 {
        let manifest = json!({
            "mediaType": INDEX, "manifests": [], "artifactType": format!("application/vnd.test.{}", name(number)),
            "subject": {"mediaType": INDEX, "digest": stand.subject, "size": 2}, "annotations": {"number": number.to_string()},
        });
        push(stand.backref.host(), manifest.to_string().as_bytes());
    }
    let pages = stand.pages("?n=2&artifactType=application%2Fvnd.test.even%2Beven");
    assert_eq!(pages.iter().map(|page| page.digests.len()).collect::<Vec<_>>(), [2, 2, 1]);
    for page in &pages {
        assert_eq!(page.body["annotations"]["org.opencontainers.referrers.filtersApplied"], "artifactType");
        let manifests = page.body["manifests"].as_array().expect("an index");
        assert!(manifests.iter().all(|one| one["artifactType"] == "application/vnd.test.even+even"));
    }
}

#[test]
fn paging_neither_skips_nor_repeats_while_referrers_come_and_go() {
    let stand = up();
    let pushed: Vec<_> = (0..9).map(|number| stand.push(&number.to_string())).collect();
    let first = stand.first("?n=3");
    assert_eq!(first.digests, pushed[..3]);
    // Behind the cursor, at it, before it; and one more at the end.
    for gone in [0, 2, 4] {
        assert_eq!(delete(stand.backref.host(), &pushed[gone]).status, 202);
    }
    let added = stand.push("added");
    let again = stand.push("0");
    let second = stand.page(&first.next.expect("more"));
    assert_eq!(second.digests, [&pushed[3], &pushed[5], &pushed[6]].map(Clone::clone));
    let third = stand.page(&second.next.expect("more"));
    // What was deleted and pushed again is a new one, at the end.
    assert_eq!(third.digests, [&pushed[7], &pushed[8], &added].map(Clone::clone));
    let fourth = stand.page(&third.next.expect("more"));
    assert_eq!((fourth.digests, fourth.next), (vec![again], None));
}

#[test]
fn paging_keeps_pages_within_four_mebibytes_and_lists_everything() {
    let stand = up();
    let annotation = "x".repeat(100_000);
    let pushed: Vec<_> = (0..60)
        .map(|number| {
            let manifest = json!({
                "mediaType": INDEX, "manifests": [], "annotations": {"large": annotation, "number": number.to_string()},
                "subject": {"mediaType": INDEX, "digest": stand.subject, "size": 2},
            });
            push(stand.backref.host(), manifest.to_string().as_bytes())
        })
        .collect();
    let pages = stand.pages("");
    assert_eq!(digests(&pages), pushed);
    let sizes: Vec<_> = pages.iter().map(|page| page.size).collect();
    assert!(sizes.iter().all(|size| *size <= 4 << 20), "{sizes:?}");
    // As few as can be: several clients read the first only.
    assert_eq!(sizes.len(), 2, "{sizes:?}");
}

#[test]
fn paging_gives_a_descriptor_that_fills_a_page_one_of_its_own() {
    let stand = up();
    let push_large = |name: &str| {
        let manifest = json!({
            "mediaType": INDEX, "manifests": [], "annotations": {"name": name, "large": "x".repeat(4_190_000)},
            "subject": {"mediaType": INDEX, "digest": stand.subject, "size": 2},
        });
        push(stand.backref.host(), manifest.to_string().as_bytes())
    };
    let pushed = vec![push_large("a"), stand.push("b"), push_large("c")];
    let pages = stand.pages("");
    assert_eq!(digests(&pages), pushed);
    assert!(
        pages.iter().all(|page| page.size <= 4 << 20),
        "{:?}",
        pages.iter().map(|page| page.size).collect::<Vec<_>>()
    );
}

#[test]
fn paging_refuses_malformed_numbers_and_tokens() {
    let stand = up();
    stand.push("a");
    let url = format!("{}/v2/{REPOSITORY}/referrers/{}", stand.backref.url(), stand.subject);
    for query in [
        "n=0",
        "n=-1",
        "n=x",
        "n=",
        "n=1.5",
        "n=99999999999999999999999",
        "nextToken=",
        "nextToken=x",
        "nextToken=1",
        "nextToken=1.sha256:00",
        "nextToken=x.blake3:00",
        "nextToken=1.blake3:00%00",
        "n=1&nextToken='--",
    ] {
        let answer = http::get(&format!("{url}?{query}"), &[]);
        let refusal = (answer.status, error_code(&answer.body));
        assert_eq!(refusal, (400, "PAGINATION_NUMBER_INVALID".to_owned()), "{query}");
    }
}
