//! The last answer on a connection whose client may still be sending.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::error::Error;

/// How long, and for how much, a client may go on sending: closed at once, it might see a reset and not the answer.
const TIME: Duration = Duration::from_secs(2);
const BYTES: usize = 1 << 20;

pub(super) async fn answer_and_close(mut stream: TcpStream, error: Error) {
    let closing = async {
        let (head, body) = error.answer().into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let text = format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            head.status,
            body.len()
        );
        stream.write_all(text.as_bytes()).await?;
        stream.write_all(&body).await?;
        stream.shutdown().await?;
        let mut left = BYTES;
        let mut buffer = [0; 4096];
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    // A client that doesn't take its answer goes without.
    drop(tokio::time::timeout(TIME, closing).await);
}
