//! The last answer on a connection whose client may still be sending.

use std::time::Duration;

use http::{Response, header};
use http_body::Body;
use http_body_util::{BodyExt, Collected};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How long, and for how much, a client may go on sending: closed at once, it might see a reset and not the answer.
const TIME: Duration = Duration::from_secs(2);
const BYTES: usize = 1 << 20;

/// Sends `answer`, reads on for a while, and closes.
pub(in crate::server) async fn answer_and_close<B: Body>(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    answer: Response<B>,
) {
    let closing = async {
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let mut text = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
        for (name, value) in head.headers.iter().filter(|(name, _)| **name != header::CONTENT_LENGTH) {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                text.extend_from_slice(part);
            }
        }
        text.extend_from_slice(format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()).as_bytes());
        text.extend_from_slice(&body);
        io.write_all(&text).await?;
        io.shutdown().await?;
        let mut left = BYTES;
        let mut buffer = [0; 4096];
        while left > 0 {
            match io.read(&mut buffer).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    // A client that doesn't take its answer goes without.
    drop(tokio::time::timeout(TIME, closing).await);
}
