//! A referrers query: authorise, list, render.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{Response, StatusCode};
use percent_encoding::percent_decode_str;

use super::exchange::Exchange;
use crate::{
    app::App,
    budget::{Part, Reservation, SMALL},
    config::{Form, Referrers},
    dialect::{Dialect, Page, PageWriter},
    error::Error,
    listing::AskedPage,
    oci::{Digest, ErrorCode, Repository},
    referrers::{Cursor, ManifestKey, Query, as_filtered},
    store::{Row, RowSink, StoreError},
    upstream::{Body, HeldBody, ReadPermit, Refusal, Registry},
};

/// Artifact types that one query may name.
const MAX_TYPES: usize = 32;

/// Answers `GET` and `HEAD` of a subject's referrers, in the API that the client asks by.
pub(super) async fn list(
    app: &App,
    exchange: Exchange,
    repository: Repository,
    digest: Digest,
    dialect: Dialect,
) -> Result<Response<Body>, Error> {
    match of_rows(app, &exchange, repository, digest, dialect).await {
        Err(Error::Store(error)) if dialect == Dialect::Oci && exchange.upstream.asks_native() => {
            of_upstream(exchange, error).await
        }
        answer => answer,
    }
}

/// Without the database there is the upstream's own list, if it has one.
async fn of_upstream(exchange: Exchange, error: StoreError) -> Result<Response<Body>, Error> {
    let answer = exchange.forward_head().await?;
    let is_word = answer.status().is_success() || answer.status() == StatusCode::UNAUTHORIZED;
    if is_word { Ok(answer) } else { Err(error.into()) }
}

async fn of_rows(
    app: &App,
    exchange: &Exchange,
    repository: Repository,
    digest: Digest,
    dialect: Dialect,
) -> Result<Response<Body>, Error> {
    let head = &exchange.head;
    let mut query = parse(head.uri.query().unwrap_or_default(), digest, dialect, &exchange.upstream.referrers)?;
    let registry = exchange.registry();
    let subject = exchange.upstream.key(repository, query.subject.clone());
    let authorised = app.listing.authorise(&registry, &subject).await?;
    query.other_form = authorised.other_form;
    let path = exchange.head.uri.path();
    let permit = match authorised.permission.permit() {
        Ok(permit) => permit,
        Err(Refusal::Absent) => {
            let empty = PageWriter::new(dialect.opening(), query.limit, 0).finish();
            return Ok(dialect.render(empty, &query, path).map(|body| Body::from(Bytes::from(body))));
        }
        Err(refusal) => return Err(registry.to_client(refusal).into()),
    };
    let ManifestKey { upstream, repository, .. } = subject;
    let asked = AskedPage { upstream, repository, dialect, query };
    let known = authorised.version.and_then(|version| app.listing.pages.get(&asked, version));
    let mut answer = if let Some(known) = known {
        known.map(Body::from)
    } else {
        let (page, reservation) = read(app, &registry, permit, &asked.query, dialect).await?;
        let answer = dialect.render(page, &asked.query, path);
        if let Some(reservation) = reservation {
            answer.map(|body| held(body, reservation))
        } else {
            let answer = answer.map(Bytes::from);
            if let Some(version) = authorised.version {
                app.listing.pages.keep(asked, version, &answer);
            }
            answer.map(Body::from)
        }
    };
    permit.cors().put(answer.headers_mut());
    Ok(answer)
}

fn held(mut body: Vec<u8>, mut reservation: Reservation) -> Body {
    body.shrink_to_fit();
    reservation.shrink_to(body.len());
    Body::Held(HeldBody::new(body, reservation))
}

/// Rows go into the page as they are read.
struct Writing(PageWriter);

impl RowSink for Writing {
    fn row(&mut self, row: Row<'_>) -> ControlFlow<()> {
        let Row { created, arrival, digest, descriptor } = row;
        if self.0.push(created, arrival, digest, descriptor) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

/// A page of the list. One of up to [`SMALL`] bytes is made without a reservation; a larger one waits for a reservation
/// for the largest.
async fn read(
    app: &App,
    registry: &Registry,
    permit: &ReadPermit,
    query: &Query,
    dialect: Dialect,
) -> Result<(Page, Option<Reservation>), Error> {
    let mut small = Writing(PageWriter::new(dialect.opening(), query.limit, SMALL / dialect.copies()));
    app.store.list(permit, query, &mut small).await?;
    let page = small.0.finish();
    if !page.full && page.body.len() <= SMALL + dialect.opening().len() {
        return Ok((page, None));
    }
    let reservation = registry.reserve(Part::Body, PageWriter::MAX_BYTES).await?;
    let most = PageWriter::MAX_BYTES / dialect.copies();
    let mut large = Writing(PageWriter::new(dialect.opening(), query.limit, most));
    app.store.list(permit, query, &mut large).await?;
    Ok((large.0.finish(), Some(reservation)))
}

fn parse(text: &str, subject: Digest, dialect: Dialect, config: &Referrers) -> Result<Query, Error> {
    let is_oci = dialect == Dialect::Oci;
    let mut query = Query {
        subject,
        other_form: None,
        artifact_types: Vec::new(),
        after: None,
        limit: usize::MAX,
        order: dialect.order(),
        originals: !is_oci || config.list == Form::Original,
        without_subject: !is_oci || config.without_subject,
    };
    let mut types = 0;
    for (key, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
        let decoded = |value: &str| percent_decode_str(value).decode_utf8_lossy().into_owned();
        match key {
            "artifactType" if !value.is_empty() => {
                types += 1;
                query.artifact_types.push(as_filtered(&decoded(value)));
                if value.contains('+') {
                    // Some clients write a space as `+`, some a `+` as it is: types have both.
                    query.artifact_types.push(as_filtered(&decoded(&value.replace('+', " "))));
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
    if types > MAX_TYPES {
        return Err(Error::bad(ErrorCode::Unsupported, format!("a query may name {MAX_TYPES} artifact types")));
    }
    Ok(query)
}
