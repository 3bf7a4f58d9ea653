//! A body that is read whole, within the budget.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, timeout_at};

use super::{body::Body, error::BodyError};
use crate::{
    budget::{Budget, Part, Reservation, SMALL},
    min_rate::MinRate,
    shares::{Exhausted, Holder},
    stall::Stalled,
};

/// How a body is read whole.
#[derive(Clone, Copy)]
pub(super) struct Intake<'a> {
    pub(super) budget: &'a Budget,
    pub(super) holder: Holder,
    /// For which part of the budget: that of a large body. A small one is reserved for in the part of small ones.
    pub(super) part: Part,
    /// How many bytes it may have at most.
    pub(super) most: usize,
    /// How many times as much is reserved.
    pub(super) copies: usize,
    /// How long all of it may take once there is a reservation.
    pub(super) time: Duration,
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// There was no reservation for it.
    #[error(transparent)]
    Busy(#[from] Exhausted),
    /// It has more bytes than such a thing may have.
    #[error("the body is too large")]
    TooLarge,
    /// It ended early, or came too slowly.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// Over how long the lowest rate is measured, of a body that is not small.
const WINDOW: Duration = Duration::from_secs(10);

impl Intake<'_> {
    /// Reads all of it. Nothing is reserved before its first bytes came; then the length that it announces, at once. A
    /// body of unknown length gets a small reservation, and one for the most that it may have when it turns out to be
    /// larger.
    pub(super) async fn collect(self, mut body: Body) -> Result<(Bytes, Reservation), CollectError> {
        let length = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let limit = length.unwrap_or(SMALL.min(self.most));
        if limit > self.most {
            return Err(CollectError::TooLarge);
        }
        let Some(first) = data(&mut body).await? else { return Ok((Bytes::new(), Reservation::default())) };
        let mut reservation = self.reserve(limit).await?;
        let mut bytes = BytesMut::with_capacity(limit);
        if let Some(more) = self.fill(&mut body, &mut bytes, first, limit).await? {
            if length.is_some() || limit == self.most {
                return Err(CollectError::TooLarge);
            }
            reservation = self.reserve(self.most).await?;
            let begun = std::mem::replace(&mut bytes, BytesMut::with_capacity(self.most));
            bytes.extend_from_slice(&begun);
            drop(begun);
            if self.fill(&mut body, &mut bytes, more, self.most).await?.is_some() {
                return Err(CollectError::TooLarge);
            }
        }
        reservation.shrink_to(self.copies * bytes.len());
        Ok((exact(bytes), reservation))
    }

    async fn reserve(&self, bytes: usize) -> Result<Reservation, Exhausted> {
        self.budget.reserve(self.part.of_size(bytes), self.holder, self.copies * bytes).await
    }

    /// Reads on into `bytes`, up to `limit` of them. `Some`: what would be over the limit.
    async fn fill(
        &self,
        body: &mut Body,
        bytes: &mut BytesMut,
        first: Bytes,
        limit: usize,
    ) -> Result<Option<Bytes>, BodyError> {
        let late = Instant::now() + self.time;
        let mut rate = MinRate::new(if limit > SMALL { WINDOW } else { self.time });
        let mut next = Some(first);
        while let Some(data) = next {
            if bytes.len() + data.len() > limit {
                return Ok(Some(data));
            }
            rate.count(data.len());
            bytes.extend_from_slice(&data);
            drop(data);
            next = loop {
                match timeout_at(late.min(rate.end()), self::data(body)).await {
                    Ok(data) => break data?,
                    Err(_) if Instant::now() >= late => return Err(Stalled(self.time).into()),
                    Err(_) => rate.check()?,
                }
            };
        }
        Ok(None)
    }
}

/// A body of up to `most` bytes that ends within `time`; else `None`. Nothing is reserved.
pub(super) async fn collect_up_to(mut body: Body, most: usize, time: Duration) -> Option<Bytes> {
    let announced = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let collecting = async {
        let mut bytes = BytesMut::with_capacity(announced.unwrap_or_default().min(most));
        while let Some(data) = data(&mut body).await.ok()? {
            if bytes.len() + data.len() > most {
                return None;
            }
            bytes.extend_from_slice(&data);
        }
        Some(exact(bytes))
    };
    tokio::time::timeout(time, collecting).await.ok()?
}

/// A short body, such as an error's: `None` above 64 KiB, or where it broke off. It is read to its end, so that its
/// connection can be used again.
pub async fn short_body(body: Body) -> Option<Bytes> {
    const MOST: usize = 64 << 10;
    Some(Limited::new(body, MOST).collect().await.ok()?.to_bytes())
}

/// An answer with a short body, whole again, and that body. Where [`short_body`] gives none, the answer has none either.
pub async fn short_answer(answer: Response<Body>) -> (Response<Body>, Option<Bytes>) {
    let (head, body) = answer.into_parts();
    let body = short_body(body).await;
    (Response::from_parts(head, body.clone().map_or(Body::EMPTY, Body::from)), body)
}

/// The next bytes of a body.
async fn data(body: &mut Body) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The same bytes in memory of at most twice their length.
fn exact(bytes: BytesMut) -> Bytes {
    if bytes.capacity() / 2 > bytes.len() { Bytes::copy_from_slice(&bytes) } else { bytes.freeze() }
}
