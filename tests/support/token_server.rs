//! A token server: who may do what, told to a registry by signed tokens.
//!
//! <https://distribution.github.io/distribution/spec/auth/token/>

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{Certificate, CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

/// What one user may do in the repositories whose name starts so.
#[derive(Clone, Copy)]
pub(crate) struct Grant {
    /// Empty: whoever comes without credentials.
    pub(crate) user: &'static str,
    pub(crate) prefix: &'static str,
    pub(crate) actions: &'static [&'static str],
}

/// A server that runs as long as the test does.
pub(crate) struct TokenServer {
    address: SocketAddr,
    issuer: Arc<Issuer>,
}

struct Issuer {
    users: Vec<(&'static str, &'static str)>,
    grants: Vec<Grant>,
    lifetime: i64,
    key: EcdsaKeyPair,
    certificate: Certificate,
}

impl TokenServer {
    pub(super) const SERVICE: &str = "registry.test";
    pub(super) const ISSUER: &str = "tokens.test";

    /// Its users with their passwords, what they may do, and for how many seconds a token is good. Registries allow
    /// a minute beyond that; a token of -120 has always expired.
    pub(crate) fn start(users: &[(&'static str, &'static str)], grants: &[Grant], lifetime: i64) -> Self {
        let key = KeyPair::generate().expect("a P-256 key");
        let mut params = CertificateParams::new(vec![]).expect("no names to go wrong");
        // Good at any time: the clock is not what these tests are about.
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
        let certificate = params.self_signed(&key).expect("a certificate");
        let random = SystemRandom::new();
        let issuer = Arc::new(Issuer {
            users: users.to_vec(),
            grants: grants.to_vec(),
            lifetime,
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.serialized_der(), &random)
                .expect("the key that was just made"),
            certificate,
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let answering = Arc::clone(&issuer);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let issuer = Arc::clone(&answering);
                thread::spawn(move || issuer.answer(&connection));
            }
        });
        Self { address, issuer }
    }

    /// Where the registry's challenge sends clients.
    pub(crate) fn realm(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// What the registry checks signatures against, PEM.
    pub(super) fn certificate(&self) -> String {
        self.issuer.certificate.pem()
    }

    /// A token of that user's for `repository:NAME:ACTIONS`, with what is granted of it, good for so many seconds.
    pub(crate) fn token(&self, user: &str, scope: &str, lifetime: i64) -> String {
        self.issuer.sign(user, &[self.issuer.access(user, scope)], lifetime)
    }
}

impl Issuer {
    /// One request, one answer, and the connection is closed.
    fn answer(&self, mut connection: &TcpStream) {
        let lines = BufReader::new(connection).lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let (status, body) = match head.first().and_then(|line| line.split(' ').nth(1)) {
            // OAuth2's way is a POST. Clients that try it first then take this one.
            Some(target) if head[0].starts_with("GET ") => self.token(target, &head),
            _ => ("404 Not Found", json!({})),
        };
        let body = body.to_string();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        // A client that has gone needs no answer.
        let _ = connection.write_all(answer.as_bytes());
    }

    fn token(&self, target: &str, head: &[String]) -> (&'static str, Value) {
        let Ok(user) = self.user(head) else {
            return ("401 Unauthorized", json!({"errors": [{"code": "UNAUTHORIZED"}]}));
        };
        let (_, query) = target.split_once('?').unwrap_or_default();
        // One parameter may hold several scopes, and there may be several parameters.
        let decoded = query.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",").replace('+', " ");
        let scopes = decoded.split('&').filter_map(|parameter| parameter.strip_prefix("scope="));
        let access: Vec<Value> = scopes
            .flat_map(|scopes| scopes.split("%20").flat_map(str::split_whitespace))
            .map(|scope| self.access(&user, scope))
            .collect();
        let token = self.sign(&user, &access, self.lifetime);
        ("200 OK", json!({"token": token, "access_token": token, "expires_in": self.lifetime}))
    }

    /// The name behind the credentials: empty without any, an error when they are wrong.
    fn user(&self, head: &[String]) -> Result<String, ()> {
        let basic = |line: &String| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("authorization").then(|| value.trim().to_owned())
        };
        let Some(value) = head.iter().find_map(basic) else {
            return Ok(String::new());
        };
        let encoded = value.strip_prefix("Basic ").ok_or(())?;
        let decoded = String::from_utf8(STANDARD.decode(encoded).map_err(drop)?).map_err(drop)?;
        let (user, password) = decoded.split_once(':').ok_or(())?;
        let known = self.users.contains(&(user, password));
        known.then(|| user.to_owned()).ok_or(())
    }

    /// What of `repository:NAME:ACTIONS` the user gets.
    fn access(&self, user: &str, scope: &str) -> Value {
        let (kind, rest) = scope.split_once(':').unwrap_or((scope, ""));
        let (name, actions) = rest.rsplit_once(':').unwrap_or((rest, ""));
        let granted = |action: &&str| {
            let grants =
                |grant: &Grant| grant.user == user && name.starts_with(grant.prefix) && grant.actions.contains(action);
            kind == "repository" && self.grants.iter().any(grants)
        };
        let actions: Vec<&str> = actions.split(',').filter(granted).collect();
        json!({"type": kind, "name": name, "actions": actions})
    }

    fn sign(&self, user: &str, access: &[Value], lifetime: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let now = i64::try_from(now).expect("before the year 292 billion");
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(self.certificate.der())]});
        let claims = json!({
            "iss": TokenServer::ISSUER, "sub": user, "aud": TokenServer::SERVICE, "access": access,
            "iat": now, "nbf": now - 300, "exp": now + lifetime, "jti": format!("{now}-{user}"),
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("a sound key signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
