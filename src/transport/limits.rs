//! Limits on what a server may send, enforced while it arrives (chapter 3 of the specification).

use bytes::Bytes;
use futures::stream::{Stream, StreamExt};

use crate::error::{Code, Error, Result};

/// Passes chunks on until they are more than `limit` bytes together; that is [`Code::ResponseTooLarge`]. 0 is no limit.
pub(super) fn guard(
    chunks: impl Stream<Item = Result<Bytes>> + Unpin,
    limit: usize,
) -> impl Stream<Item = Result<Bytes>> + Unpin {
    let (mut observed, mut count) = (0, 0);
    chunks.map(move |chunk| {
        let chunk = chunk?;
        observed += chunk.len();
        count += 1;
        if limit > 0 && observed > limit {
            let refusal = over_total(limit, observed, count);
            return Err(Error::new(Code::ResponseTooLarge, refusal));
        }
        Ok(chunk)
    })
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

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    async fn run(chunks: &[&'static str], limit: usize) -> Result<usize> {
        let source = stream::iter(
            chunks
                .iter()
                .map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())))
                .collect::<Vec<_>>(),
        );
        let mut guarded = guard(source, limit);
        let mut bytes = 0;
        while let Some(chunk) = guarded.next().await {
            bytes += chunk?.len();
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn limits_hold_across_chunks() {
        assert_eq!(run(&["abc", "def"], 6).await.ok(), Some(6));
        let error = run(&["abc", "def"], 5).await.expect_err("too long a body");
        assert_eq!(error.code, Code::ResponseTooLarge);
        assert!(
            error.message.starts_with(
                "[MCP] MCP response exceeded byte limit (limit=5 bytes, observed=6 bytes, chunks=2)"
            ),
            "{error}"
        );
    }
}
