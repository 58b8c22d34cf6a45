//! Limits on what a server may send, enforced while it arrives (chapter 3 of the specification).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use tokio::time::{Instant, Sleep};

use crate::error::{Code, Error, Result};

/// Zero or `None` means no limit.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes of the whole body.
    pub total: usize,
    /// How long nothing may arrive.
    pub idle: Option<Duration>,
}

/// Passes chunks on until one of them breaks a limit; that chunk becomes [`Code::ResponseTooLarge`] and the stream
/// ends.
pub fn guard<S>(chunks: S, limits: BodyLimits) -> Guard<S>
where
    S: Stream<Item = Result<Bytes>> + Unpin,
{
    let idle = limits.idle.map(|idle| Box::pin(tokio::time::sleep(idle)));
    Guard {
        chunks,
        limits,
        idle,
        total: 0,
        count: 0,
        ended: false,
    }
}

pub struct Guard<S> {
    chunks: S,
    limits: BodyLimits,
    idle: Option<Pin<Box<Sleep>>>,
    total: usize,
    count: usize,
    ended: bool,
}

impl<S> Guard<S> {
    fn judge(&mut self, chunk: &Bytes) -> Result<()> {
        self.count += 1;
        self.total += chunk.len();
        let limit = self.limits.total;
        if limit > 0 && self.total > limit {
            let refusal = over_total(limit, self.total, self.count);
            return Err(Error::new(Code::ResponseTooLarge, refusal));
        }
        Ok(())
    }
}

/// The texts are those of the reference (`packages/api/src/mcp/connection.ts`).
pub(super) fn over_total(limit: usize, observed: usize, chunks: usize) -> String {
    refusal(
        &format!(
            "MCP response exceeded byte limit (limit={limit} bytes, observed={observed} bytes"
        ),
        chunks,
    )
}

pub(super) fn over_line(limit: usize, observed: usize, total: usize, chunks: usize) -> String {
    refusal(
        &format!(
            "MCP response contained an oversized SSE line (lineLimit={limit} bytes, observedLine={observed} bytes, \
             observedTotal={total} bytes"
        ),
        chunks,
    )
}

fn refusal(what: &str, chunks: usize) -> String {
    format!(
        "[MCP] {what}, chunks={chunks}). The MCP server returned an unsafe streamable HTTP response; narrow the tool \
         result or retry after the server response is fixed."
    )
}

impl<S: Stream<Item = Result<Bytes>> + Unpin> Stream for Guard<S> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.chunks).poll_next(context) {
            Poll::Ready(Some(Ok(chunk))) => {
                if let Some(limit) = self.limits.idle
                    && let Some(idle) = &mut self.idle
                {
                    idle.as_mut().reset(Instant::now() + limit);
                }
                match self.judge(&chunk) {
                    Ok(()) => Poll::Ready(Some(Ok(chunk))),
                    Err(error) => {
                        self.ended = true;
                        Poll::Ready(Some(Err(error)))
                    }
                }
            }
            Poll::Pending => {
                let Some(idle) = &mut self.idle else {
                    return Poll::Pending;
                };
                futures::ready!(idle.as_mut().poll(context));
                self.ended = true;
                Poll::Ready(Some(Err(Error::timeout(
                    "The event stream was silent for too long",
                ))))
            }
            Poll::Ready(end) => Poll::Ready(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use futures::stream;

    use super::*;

    async fn run(chunks: &[&'static str], limits: BodyLimits) -> Result<usize> {
        let source = stream::iter(
            chunks
                .iter()
                .map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())))
                .collect::<Vec<_>>(),
        );
        let mut guarded = guard(source, limits);
        let mut bytes = 0;
        while let Some(chunk) = guarded.next().await {
            bytes += chunk?.len();
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn limits_hold_across_chunks() {
        let total = |total| BodyLimits { total, idle: None };
        assert_eq!(run(&["abc", "def"], total(6)).await.ok(), Some(6));
        let error = run(&["abc", "def"], total(5))
            .await
            .expect_err("too long a body");
        assert_eq!(error.code, Code::ResponseTooLarge);
        assert!(
            error.message.starts_with(
                "[MCP] MCP response exceeded byte limit (limit=5 bytes, observed=6 bytes, chunks=2)"
            ),
            "{error}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_the_stream() {
        let limits = BodyLimits {
            total: 0,
            idle: Some(Duration::from_secs(1)),
        };
        let mut guarded = guard(stream::pending(), limits);
        assert_eq!(
            guarded
                .next()
                .await
                .and_then(Result::err)
                .map(|error| error.code),
            Some(Code::Timeout)
        );
        assert!(guarded.next().await.is_none());
    }
}
