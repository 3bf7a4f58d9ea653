//! A body that is read whole, within the budget.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::{body::Body, error::BodyError};
use crate::{
    budget::{Budget, Part, Reservation, SMALL},
    pace::Pace,
    shares::{Exhausted, Holder},
    stall::Stalled,
};

/// How a body is taken in.
#[derive(Clone, Copy)]
pub(super) struct Intake<'a> {
    pub(super) budget: &'a Budget,
    pub(super) holder: Holder,
    /// What it is.
    pub(super) part: Part,
    /// How many bytes it may have.
    pub(super) most: usize,
    /// How often it will be in memory.
    pub(super) copies: usize,
    /// How long all of it may take from when there is room for it.
    pub(super) time: Duration,
}

/// Why a body was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// No memory was free for it.
    #[error(transparent)]
    Busy(#[from] Exhausted),
    /// It has more bytes than such a thing may have.
    #[error("the body is too large")]
    TooLarge,
    /// It ended early, or came too slowly.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// What holds memory and moves more slowly for so long is ended. A client that is slow, but at work, is faster.
const WINDOW: Duration = Duration::from_secs(10);

impl Intake<'_> {
    /// Takes all of it. Nothing is reserved before a byte came; then as much as it announces, at once. One of unknown
    /// length has a small reservation first, and one for the most it may have when it needs that.
    pub(super) async fn collect(self, mut body: Body) -> Result<(Bytes, Reservation), CollectError> {
        let length = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let room = length.unwrap_or(SMALL.min(self.most));
        if room > self.most {
            return Err(CollectError::TooLarge);
        }
        let Some(first) = data(&mut body).await? else { return Ok((Bytes::new(), Reservation::default())) };
        let mut reservation = self.reserve(room).await?;
        let mut bytes = BytesMut::with_capacity(room);
        if let Some(more) = self.fill(&mut body, &mut bytes, first, room).await? {
            if length.is_some() || room == self.most {
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

    /// Reads on into `bytes`, up to `room` of them. `Some`: what has no room there.
    async fn fill(
        &self,
        body: &mut Body,
        bytes: &mut BytesMut,
        first: Bytes,
        room: usize,
    ) -> Result<Option<Bytes>, BodyError> {
        let late = Instant::now() + self.time;
        let mut pace = Pace::new(WINDOW);
        let mut next = Some(first);
        while let Some(data) = next {
            if bytes.len() + data.len() > room {
                return Ok(Some(data));
            }
            pace.count(data.len());
            bytes.extend_from_slice(&data);
            drop(data);
            next = loop {
                match timeout_at(late.min(pace.end()), self::data(body)).await {
                    Ok(data) => break data?,
                    Err(_) if Instant::now() >= late => return Err(Stalled(self.time).into()),
                    Err(_) => pace.check()?,
                }
            };
        }
        Ok(None)
    }
}

/// A body of up to `most` bytes, all of which have come after that `time`. Nothing is reserved here.
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

/// The next bytes of a body.
async fn data(body: &mut Body) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// In memory that is not much larger than they are.
fn exact(bytes: BytesMut) -> Bytes {
    if bytes.capacity() / 2 > bytes.len() { Bytes::copy_from_slice(&bytes) } else { bytes.freeze() }
}
