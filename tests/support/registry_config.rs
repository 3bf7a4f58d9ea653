//! The configuration file of CNCF distribution: 2.8 and 3 read the same one.

use std::fmt::Write as _;
use std::path::Path;

use super::registry::{Auth, RegistryOptions};

/// Cheap on purpose: the registry checks the password on every request.
const BCRYPT_COST: u32 = 4;

/// Writes `config.yml`, and beside it what it names.
pub(super) fn write(options: &RegistryOptions, address: &str, directory: &Path) {
    let storage = directory.join("storage").display().to_string();
    let auth = match &options.auth {
        Auth::Open => String::new(),
        Auth::Htpasswd(users) => {
            let file = directory.join("htpasswd");
            write_file(&file, &htpasswd(users));
            format!("auth: {{htpasswd: {{realm: tests, path: {}}}}}", file.display())
        }
        Auth::Tokens { realm, service, issuer, certificate } => {
            let file = directory.join("tokens.pem");
            write_file(&file, certificate);
            let file = file.display();
            format!(
                "auth: {{token: {{realm: \"{realm}\", service: {service}, issuer: {issuer}, rootcertbundle: {file}}}}}"
            )
        }
    };
    let deletes = options.deletes;
    let config = format!(
        "version: 0.1
log: {{level: info}}
storage:
  filesystem: {{rootdirectory: {storage}}}
  delete: {{enabled: {deletes}}}
http: {{addr: \"{address}\"}}
{auth}
"
    );
    write_file(&directory.join("config.yml"), &config);
}

fn htpasswd(users: &[(String, String)]) -> String {
    let mut file = String::new();
    for (user, password) in users {
        let hash = bcrypt::hash(password, BCRYPT_COST).expect("a password that bcrypt takes");
        writeln!(file, "{user}:{hash}").expect("a String takes everything");
    }
    file
}

fn write_file(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
