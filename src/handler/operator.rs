//! What an operator's commands do: the work of requests, by the same rules and the same code, over whole repositories and
//! with the credentials of whoever runs the command.

mod backfill;
mod compare;
mod probe;
mod prune;
mod session;

pub use backfill::Took;
pub use probe::Probe;
pub use prune::{Asked, Beside, Fate};

use std::sync::{Arc, atomic::AtomicBool};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use moka::sync::Cache;
use tokio::sync::OnceCell;

use super::{Handler, exchange::Hop, fallback::refusal};
use crate::{
    app::App,
    error::Error,
    oci::{Digest, ErrorCode, Repository},
    referrers::ManifestKey,
    store::{Known, StoreError, TagState},
    upstream::{self, Login, MAX_PAGES, Refusal, RemoteError, headers},
};
use session::Session;

/// An upstream, and the operator who works on it.
pub struct Operator {
    handler: Handler,
    login: Login,
    /// What the upstream asks of whoever is not known to it, if anything.
    challenge: OnceCell<Option<HeaderMap>>,
    /// Manifests that were read and need not be read again.
    read: Cache<ManifestKey, ()>,
}

/// One repository of it.
pub struct Inside {
    operator: Arc<Operator>,
    hop: Hop,
    repository: Repository,
    session: Session,
    /// The upstream was seen to have no referrers API.
    no_api: AtomicBool,
}

/// A piece of a repository's tags.
pub struct TagsPage {
    /// The tags.
    pub tags: Vec<String>,
    /// Where the next piece is.
    pub next: Option<String>,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No token, or no credentials.
    #[error(transparent)]
    Login(#[from] RemoteError),
    /// As a request would have failed.
    #[error("{}", explain(.0))]
    Request(#[from] Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many manifests are remembered as read.
const READ: u64 = 100_000;

/// Room for some hundred thousand names. Registries that page are far below it. As many at a time as there are jobs.
const MAX_LIST: usize = 16 << 20;

impl Operator {
    /// Reads the credentials; asks nothing yet.
    pub fn new(app: Arc<App>) -> Result<Arc<Self>, RemoteError> {
        let upstream = &app.config.upstream;
        let client = upstream::command_client(upstream.ca_file.as_deref())?;
        Ok(Arc::new(Self {
            login: Login::new(
                upstream.url.authority.as_str(),
                upstream.url.scheme == http::uri::Scheme::HTTPS,
                client,
            )?,
            handler: Handler::new(app),
            challenge: OnceCell::new(),
            read: Cache::new(READ),
        }))
    }

    /// What the command shares with requests.
    pub fn app(&self) -> &App {
        self.handler.app()
    }

    /// Whether referrers tags are kept at all: where they are not, none is owed.
    pub fn keeps_tags(&self) -> bool {
        Hop::of_operator(&self.handler).keeps_tags()
    }

    /// The upstream's repositories, as far as it lists them for these credentials.
    pub async fn catalog(self: &Arc<Self>) -> Result<Vec<Repository>, Trouble> {
        let session = Session::new(self, vec!["registry:catalog:*".to_owned()]);
        let (mut names, mut next) = (Vec::new(), Some("/v2/_catalog".to_owned()));
        for _ in 0..MAX_PAGES {
            let Some(uri) = next else { break };
            let (page, link) = session.with(async |caller| self.page(caller, &uri).await).await?;
            // What is no name can't be asked about either.
            names.extend(strings(&page, "repositories")?.iter().filter_map(|name| Repository::parse(name)));
            next = link;
        }
        Ok(names)
    }

    /// Into a repository. `deletes`: tokens that allow deleting are asked for.
    pub fn enter(self: &Arc<Self>, repository: Repository, deletes: bool) -> Inside {
        let scope = |actions| format!("repository:{repository}:{actions}");
        let most = scope(if deletes { "pull,push,delete" } else { "pull,push" });
        Inside {
            session: Session::new(self, vec![most, scope("pull")]),
            operator: self.clone(),
            hop: Hop::of_operator(&self.handler),
            repository,
            no_api: AtomicBool::new(false),
        }
    }

    /// One page of a list, and where the next is.
    async fn page(&self, caller: &HeaderMap, from: &str) -> Result<(Bytes, Option<String>), Error> {
        let uri = Uri::try_from(from).map_err(|_| Error::Incomplete)?;
        let answer = self.handler.upstream.ask(Method::GET, uri, headers::on_behalf(caller)).await?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(answer.status(), answer.headers()));
        }
        let next = upstream::next_page(answer.headers());
        if next.as_deref() == Some(from) {
            return Err(Error::bad(ErrorCode::Unsupported, "the registry says that the page of a list follows itself"));
        }
        let body = Limited::new(answer.into_body(), MAX_LIST).collect().await.map_err(|_| Error::Incomplete)?;
        Ok((body.to_bytes(), next))
    }
}

impl Inside {
    /// Which repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    fn key(&self, digest: &Digest) -> ManifestKey {
        self.hop.key(self.repository.clone(), digest.clone())
    }

    /// A page of the repository's tags, and where the next is. The first is had with `None`. Nothing where the registry
    /// knows no tags of it, or not for these credentials.
    pub async fn tags(&self, page: Option<&str>) -> Result<Option<TagsPage>, Trouble> {
        let first = format!("/v2/{}/tags/list", self.repository);
        let uri = page.unwrap_or(&first);
        match self.session.with(async |caller| self.operator.page(caller, uri).await).await {
            Ok((page, next)) => Ok(Some(TagsPage { tags: strings(&page, "tags")?, next })),
            Err(Trouble::Request(Error::Refused(Refusal::Unclear(StatusCode::NOT_FOUND, _)))) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// A piece of what is on record of this repository.
    pub async fn known(&self, what: Known, after: Option<&Digest>) -> Result<Vec<Digest>, Trouble> {
        const PIECE: usize = 1000;
        let app = self.operator.app();
        Ok(app.store.known(&app.config.upstream.name, &self.repository, what, after, PIECE).await?)
    }

    /// What is known about a subject's referrers tag.
    pub async fn tag(&self, subject: &Digest) -> Result<Option<TagState>, Trouble> {
        Ok(self.operator.app().store.tag(&self.key(subject)).await?)
    }

    /// Writes a subject's referrers tag if it is owed. `false`: it still is, since something that was sent earlier may
    /// change it once more.
    pub async fn pay(&self, subject: &Digest) -> Result<bool, Trouble> {
        let key = self.key(subject);
        self.session.with(async |caller| self.hop.pay_now(caller, &key).await).await
    }

    /// Settles what pushes and deletes left open about a subject, as a query does.
    pub async fn settle(&self, subject: &Digest) -> Result<(), Trouble> {
        let key = self.key(subject);
        let settled = self.session.with(async |caller| {
            let permission = self.permission(caller, &key).await;
            match permission.permit() {
                Ok(permit) => self.hop.settle(permit, &permission, caller, &key).await,
                Err(refusal) => Err(Error::Refused(refusal)),
            }
        });
        settled.await
    }
}

/// The strings of one field of a list.
fn strings(json: &[u8], field: &str) -> Result<Vec<String>, Error> {
    let mut list: serde_json::Value = serde_json::from_slice(json).map_err(|_| Error::Incomplete)?;
    match list.get_mut(field).map(serde_json::Value::take) {
        // Registries of Go write an empty list so.
        None | Some(serde_json::Value::Null) => Ok(Vec::new()),
        Some(names) => serde_json::from_value(names).map_err(|_| Error::Incomplete),
    }
}

fn explain(error: &Error) -> String {
    match error {
        Error::Refused(Refusal::Denied(status, _)) => format!("the registry answered {status} to these credentials"),
        Error::Refused(Refusal::Unclear(status, _)) => format!("the registry answered {status}"),
        Error::Refused(Refusal::Failed(error)) => error.to_string(),
        Error::Refused(Refusal::Absent) => "the registry shows nothing of it".to_owned(),
        Error::Incomplete => "the registry's answer could not be read whole".to_owned(),
        other => other.to_string(),
    }
}
