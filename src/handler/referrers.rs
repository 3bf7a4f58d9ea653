//! A referrers query: authorise, list, render.

use http::{HeaderMap, Response};
use percent_encoding::percent_decode_str;

use super::exchange::{Exchange, Hop};
use crate::{
    app::Room,
    config::Form,
    dialect::Dialect,
    error::Error,
    oci::{Digest, ErrorCode, Repository},
    referrers::{Cursor, ManifestKey, Page, Query},
    upstream::{Body, Permission, ReadPermit, Refusal},
};

/// How many referrers are asked about for a permit when the subject is not there.
const TARGETS: usize = 3;

/// Pages up to this size are made without a place in the budget.
const SMALL: usize = 64 << 10;

/// Artifact types that one query may name.
const MAX_TYPES: usize = 32;

impl Exchange {
    pub(super) async fn referrers(
        self,
        repository: Repository,
        digest: Digest,
        dialect: Dialect,
    ) -> Result<Response<Body>, Error> {
        let Self { head, hop, .. } = self;
        let subject = hop.key(repository, digest);
        let mut query = parse(head.uri.query().unwrap_or_default(), subject, dialect, &hop)?;
        let permission = hop.authorise(&head.headers, &mut query).await?;
        let (page, room) = match permission.permit() {
            Ok(permit) => list(permit, &hop, &mut query).await?,
            Err(Refusal::Absent) => (Page::new(&query), None),
            Err(refusal) => return Err(hop.refused(refusal)),
        };
        let answer = dialect.render(page, &query, head.uri.path());
        Ok(answer.map(|body| {
            Body::from(match room {
                Some(room) => room.hold(body),
                None => body.into(),
            })
        }))
    }
}

impl Hop {
    /// Asks whether this caller may list the referrers of the query's subject, and gives the query the subject's other
    /// form. With a permit, what the upstream said on the way is learned, what earlier requests left open is settled, and
    /// what its referrers tag names is on record.
    pub(super) async fn authorise(&self, caller: &HeaderMap, query: &mut Query) -> Result<Permission, Error> {
        let store = &self.handler.app.store;
        // A subject in two forms: the upstream knows the carrier.
        let mut subject = query.subject.clone();
        if let Some(alias) = store.alias(&subject).await? {
            subject.digest = alias.carrier;
            let is_original = query.subject.digest == alias.original;
            query.alias = Some(if is_original { subject.digest.clone() } else { alias.original });
        }
        let subjects = query.subjects();

        // What the store knows is read before the upstream is asked, so that the answer can be held against it.
        let mut seen = Ok(Vec::new());
        let recorded = async {
            seen = async {
                let mut seen = Vec::new();
                for subject in &subjects {
                    for digest in store.recorded(subject, TARGETS - seen.len()).await? {
                        seen.push((digest.clone(), store.look(&subject.sibling(digest)).await?));
                    }
                }
                Ok::<_, Error>(seen)
            }
            .await;
            seen.as_ref().ok().map(|seen| seen.iter().map(|(digest, _)| digest.clone()).collect())
        };
        let permission = self.access(caller).read(&subject, recorded, self.keeps_tags()).await;
        let seen = seen?;
        self.handler.app.metrics.permit(&permission);
        if let Ok(permit) = permission.permit() {
            self.learn(&permission, &subject, &seen).await;
            for subject in &subjects {
                self.settle(permit, &permission, caller, subject).await?;
                self.import(permit, caller, subject).await?;
            }
        }
        Ok(permission)
    }
}

/// Whether the list holds anything.
pub(super) async fn lists_any(_: &ReadPermit, hop: &Hop, query: &Query) -> Result<bool, Error> {
    Ok(!hop.handler.app.store.list(query).await?.is_empty())
}

/// A page of the list. A large one waits for its place in the budget.
async fn list(_: &ReadPermit, hop: &Hop, query: &mut Query) -> Result<(Page, Option<Room>), Error> {
    let app = &hop.handler.app;
    let most = std::mem::replace(&mut query.max_bytes, SMALL);
    let page = app.store.list(query).await?;
    if !page.full && page.body.len() <= SMALL + query.opening.len() {
        return Ok((page, None));
    }
    let room = app.budget.take(Page::MAX_BYTES).await?;
    query.max_bytes = most;
    Ok((app.store.list(query).await?, Some(room)))
}

fn parse(text: &str, subject: ManifestKey, dialect: Dialect, hop: &Hop) -> Result<Query, Error> {
    let is_oci = dialect == Dialect::Oci;
    let mut query = Query {
        subject,
        alias: None,
        artifact_types: Vec::new(),
        after: None,
        limit: usize::MAX,
        order: dialect.order(),
        originals: !is_oci || hop.handler.app.config.referrers.list == Form::Original,
        without_subject: !is_oci || hop.handler.app.config.referrers.without_subject,
        opening: dialect.opening(),
        max_bytes: Page::MAX_BYTES / dialect.copies(),
    };
    for (key, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
        let decoded = |value: &str| percent_decode_str(value).decode_utf8_lossy().into_owned();
        match key {
            "artifactType" if !value.is_empty() => {
                query.artifact_types.push(decoded(value));
                if value.contains('+') {
                    // Some clients write a space as `+`, some a `+` as it is: types have both.
                    query.artifact_types.push(decoded(&value.replace('+', " ")));
                }
            }
            "n" => {
                let n = value.parse().ok().filter(|n| *n > 0);
                let refuse = || Error::bad(ErrorCode::PaginationInvalid, "n is not a whole number above zero");
                query.limit = n.ok_or_else(refuse)?;
            }
            "nextToken" => {
                let refuse = || Error::bad(ErrorCode::PaginationInvalid, "nextToken is none that this registry gave");
                query.after = Some(Cursor::parse(&decoded(value)).ok_or_else(refuse)?);
            }
            _ => {}
        }
    }
    if query.artifact_types.len() > MAX_TYPES {
        return Err(Error::bad(ErrorCode::Unsupported, format!("a query may name {MAX_TYPES} artifact types")));
    }
    Ok(query)
}
