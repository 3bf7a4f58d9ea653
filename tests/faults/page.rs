//! The page on the admin listener: who sees what, and what nobody can do with it. What it looks like is for a browser to see
//! (`tests/page/browser`).

use std::fs;

use tempfile::TempDir;

use crate::manifests::{INDEX, REPOSITORY, push_as};
use crate::stand::Stand;
use crate::support::http::{self, Answer};
use crate::support::{Backref, Holdings, sha256};

const TOKEN: &str = "a token of sufficient length";
const BEARER: (&str, &str) = ("Authorization", "Bearer a token of sufficient length");

/// With a token where one is given, and a referrer on record whose words are not to be trusted.
fn stand(token: Option<&str>) -> (Stand, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let config = token.map_or_else(String::new, |token| {
        fs::write(&file, format!("{token}\n")).expect("writable");
        format!("[admin]\ntoken_file = \"{}\"\n", file.display())
    });
    let stand = Stand::with(Holdings::serve, |backref| backref.without_tags().config(&config));
    let manifest = hostile(&stand.subject);
    assert_eq!(push_as(stand.backref.host(), &sha256(&manifest), &manifest).status, 201);
    (stand, folder)
}

fn hostile(subject: &str) -> Vec<u8> {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","artifactType":"application/x\"><script>","manifests":[],
            "subject":{{"mediaType":"{INDEX}","digest":"{subject}","size":1}},"annotations":{{"<b>":"</dd><script>alert(1)</script>"}}}}"#
    )
    .into_bytes()
}

fn pages(stand: &Stand) -> Vec<String> {
    let image = format!("image?name={REPOSITORY}&digest={}", stand.subject);
    let pages = [
        "repositories",
        &format!("repository?name={REPOSITORY}"),
        &image,
        &format!("search?q={REPOSITORY}"),
        "settings",
    ];
    pages.iter().map(|page| (*page).to_owned()).collect()
}

fn get(backref: &Backref, page: &str, headers: &[(&str, &str)]) -> Answer {
    http::get(&format!("{}/{page}", backref.admin_url()), headers)
}

#[test]
fn page_shows_names_and_settings_to_whoever_has_the_token_alone() {
    let (stand, _folder) = stand(Some(TOKEN));
    let wrong = ("Authorization", "Bearer another token of this length");
    for page in pages(&stand) {
        for format in ["", "&format=json", "&format=text"] {
            let page = format!("{page}{}{format}", if page.contains('?') { "" } else { "?" });
            let shown = get(&stand.backref, &page, &[BEARER]);
            let is_about =
                |text: &str| text.contains(REPOSITORY) || text.contains("backref.db") || text.contains("postgres");
            assert!(shown.status == 200 && is_about(&shown.text()), "{page}: {} {}", shown.status, shown.text());
            for headers in
                [&[] as &[_], &[wrong], &[("Authorization", TOKEN)], &[("Cookie", "backref_session=99999999999.00")]]
            {
                let refused = get(&stand.backref, &page, headers);
                assert!(
                    refused.status == 401 && !is_about(&refused.text()),
                    "{page}: {} {}",
                    refused.status,
                    refused.text()
                );
            }
        }
    }
    // What anybody sees has none of it.
    for page in ["", "?format=json", "?format=text", "login"] {
        let text = get(&stand.backref, page, &[]).text();
        assert!(!text.contains(REPOSITORY) && !text.contains("sha256") && !text.contains(".db"), "{page}: {text}");
    }
}

#[test]
fn page_shows_nobody_any_name_where_there_is_no_token() {
    let (stand, _folder) = stand(None);
    for page in pages(&stand) {
        let refused = get(&stand.backref, &page, &[BEARER]);
        assert!(refused.status == 403 && refused.text().contains("admin.token_file"), "{page}: {}", refused.text());
        assert!(!refused.text().contains(&stand.subject), "{page}");
    }
    assert!(!get(&stand.backref, "", &[BEARER]).text().contains(REPOSITORY));
    assert_eq!(get(&stand.backref, "login", &[]).status, 404);
}

#[test]
fn page_needs_a_token_that_nobody_guesses() {
    let mut stand = Stand::up(Holdings::serve);
    stand.backref.terminate();
    let file = stand.backref.directory().join("token");
    let config = format!("[admin]\ntoken_file = \"{}\"\n", file.display());
    fs::write(stand.backref.directory().join("backref.toml"), config).expect("writable");
    for (token, says) in [("", "it is empty"), ("short\n", "the token has 5 characters, it needs 16")] {
        fs::write(&file, token).expect("writable");
        let mut command = stand.backref.command("serve");
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("admin.token_file") && said.contains(says), "{said}");
    }
}

fn log_in(backref: &Backref, token: &str, headers: &[(&str, &str)]) -> Answer {
    let form = format!("token={}", token.replace(' ', "+"));
    let mut all = vec![("Content-Type", "application/x-www-form-urlencoded")];
    all.extend(headers);
    http::send("POST", &format!("{}/login", backref.admin_url()), &all, form.as_bytes())
}

#[test]
fn page_logs_in_by_its_own_form_alone() {
    let (stand, _folder) = stand(Some(TOKEN));
    let backref = &stand.backref;
    assert_eq!(log_in(backref, "another token", &[]).status, 401);
    assert_eq!(log_in(backref, TOKEN, &[("Sec-Fetch-Site", "cross-site")]).status, 403);
    assert_eq!(log_in(backref, &"x".repeat(10_000), &[]).status, 401);
    let answer = log_in(backref, TOKEN, &[("Sec-Fetch-Site", "same-origin")]);
    assert_eq!((answer.status, answer.header("location")), (303, "./"));
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("token"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a value");
    assert_eq!(get(backref, "settings", &[("Cookie", cookie)]).status, 200);
    let url = format!("{}/logout", backref.admin_url());
    let out = http::send("POST", &url, &[("Cookie", cookie)], b"");
    assert!(out.status == 303 && out.header("set-cookie").starts_with("backref_session=; Max-Age=0"), "{}", out.status);
    assert_eq!(get(backref, "logout", &[]).status, 404);
}

#[test]
fn page_takes_nothing_that_somebody_pushed_for_its_own() {
    let (stand, _folder) = stand(Some(TOKEN));
    let page = format!("image?name={REPOSITORY}&digest={}", stand.subject);
    let shown = get(&stand.backref, &page, &[BEARER]);
    let text = shown.text();
    assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && text.contains("&lt;b&gt;"), "{text}");
    // The only script is the page's own.
    assert_eq!(text.matches("<script").count(), 1, "{text}");
    let policy = shown.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(shown.header("x-content-type-options"), "nosniff");
    let json = get(&stand.backref, &format!("{page}&format=json"), &[BEARER]).json();
    assert_eq!(json["referrers"][0]["annotations"]["<b>"], "</dd><script>alert(1)</script>");
    // What is no name, no digest, no registry, is said, and is not taken for a part of the page either.
    for (page, status) in [
        ("image?name=<i>&digest=sha256:0", 400),
        ("image?name=app&digest=<i>", 400),
        ("repository?name=../<i>", 400),
        ("repository?name=app&upstream=<i>", 404),
        ("search?q=<i>", 200),
        ("repositories?q=<i>&from=x", 200),
        ("nothing", 404),
    ] {
        let page = page.replace('<', "%3C").replace('>', "%3E");
        let answer = get(&stand.backref, &page, &[BEARER]);
        assert!(
            answer.status == status && !answer.text().contains("<i>"),
            "{page}: {} {}",
            answer.status,
            answer.text()
        );
    }
}

#[test]
fn page_settings_name_the_file_and_not_the_token() {
    let (stand, _folder) = stand(Some(TOKEN));
    let text = get(&stand.backref, "settings?format=json", &[BEARER]).text();
    assert!(text.contains("admin.token_file") && !text.contains(TOKEN), "{text}");
}
