//! Referrers tags that backref wrote, left out of `tags/list`.

use crate::stand::{list, plain, put, with};
use crate::support::{Registry, http};

#[test]
fn referrers_tag_with_backrefs_mark_is_hidden_and_every_other_tag_is_listed_once() {
    // 3.x pages; 2.8 gives all at once.
    for registry in [Registry::distribution_2(), Registry::distribution_3()] {
        let stand = with(registry, |backref| backref);
        let ordinary: Vec<String> = ["a", "sha256-0", "t", "v1", "w"].map(str::to_owned).to_vec();
        for tag in &ordinary {
            put(&stand.url(), tag, &plain(tag));
        }
        stand.push("referrer");
        let others = format!("sha256-{}", "1".repeat(64));
        put(&stand.registry.url(), &others, &list(&[]));
        assert!(stand.registry.tags("app").contains(&stand.tag()));

        let mut expected = [ordinary, vec![others]].concat();
        expected.sort();
        let mut shown = Vec::new();
        let mut next = Some("/v2/app/tags/list?n=2".to_owned());
        while let Some(path) = next {
            let answer = http::get(&format!("{}{path}", stand.url()), &[]);
            assert_eq!(answer.status, 200, "{answer:?}");
            let tags = answer.json()["tags"].as_array().cloned().unwrap_or_default();
            shown.extend(tags.iter().map(|tag| tag.as_str().expect("text").to_owned()));
            let link = answer.header("Link").to_owned();
            next = link.strip_prefix('<').and_then(|link| link.split_once('>')).map(|(path, _)| path.to_owned());
        }
        shown.sort(); // 2.8 gives them in any order
        assert_eq!(shown, expected);
    }
}
