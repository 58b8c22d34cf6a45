use super::*;

const NONE: EventLimits = EventLimits { line: 0, event: 0 };

fn parse(text: &[u8], limits: EventLimits, step: usize) -> Vec<Found> {
    let mut parser = EventParser::new(limits);
    let mut found = Vec::new();
    for piece in text.chunks(step) {
        parser.feed(piece);
        found.extend(std::iter::from_fn(|| parser.next_found()));
    }
    found
}

fn event(data: &str) -> Found {
    Found::Event(Sse::default().data(data))
}

#[test]
fn events_in_pieces_of_any_size() {
    let text = "\u{feff}data: a\ndata:b\r\n\r\n: comment\rdata\rdata: grüße ✓\r\revent: x\nid: 7\nretry: 10\nunknown: y\n\n\
                data: {\"cut\": \"off\"";
    let expected = [
        event("a\nb"),
        event("\ngrüße ✓"),
        Found::Event(Sse::default().event("x").id("7").retry(10)),
    ];
    for step in [1, 2, 3, 7, 1000] {
        assert_eq!(parse(text.as_bytes(), NONE, step), expected, "{step}");
    }
}

#[test]
fn what_the_standard_ignores() {
    for (text, expected) in [
        ("retry: 1x\n\n", vec![]),
        ("retry:\n\n", vec![]),
        ("id: a\0b\n\n", vec![]),
        ("\n\n\n", vec![]),
        ("hello\n\n", vec![]),
        (
            "event: a\nevent: b\ndata:  x\n\n",
            vec![Found::Event(Sse::default().event("b").data(" x"))],
        ),
    ] {
        assert_eq!(parse(text.as_bytes(), NONE, 100), expected, "{text:?}");
    }
    assert_eq!(parse(b"data: \xFF\n\n", NONE, 100), [event("\u{fffd}")]);
}

#[test]
fn a_long_line_is_skipped_to_the_end_of_its_event() {
    let limits = EventLimits { line: 20, event: 0 };
    let text =
        "id: 5\ndata: 012345678901234567890123456789\nid: 6\ndata: end\n: x\n\ndata: next\n\n";
    for step in [1, 7, 1000] {
        let found = parse(text.as_bytes(), limits, step);
        let [
            Found::TooLarge { id, head, refusal },
            Found::TooLargeEnd { tail },
            next,
        ] = &found[..]
        else {
            panic!("{found:?}");
        };
        assert_eq!(id.as_deref(), Some("5"));
        assert!(head.starts_with(b" 01234"), "{head:?}");
        assert!(
            refusal.contains("oversized SSE line (lineLimit=20 bytes"),
            "{refusal}"
        );
        assert!(tail.ends_with(b"0123456789\n end"), "{tail:?}");
        assert_eq!(*next, event("next"));
    }
}

#[test]
fn an_event_of_many_lines_has_a_limit_too() {
    let limits = EventLimits { line: 0, event: 30 };
    let text = "data: 0123456789\ndata: 0123456789\ndata: 0123456789\n\ndata: next\n\n";
    for step in [1, 7, 1000] {
        let found = parse(text.as_bytes(), limits, step);
        let [
            Found::TooLarge { head, refusal, .. },
            Found::TooLargeEnd { tail },
            next,
        ] = &found[..]
        else {
            panic!("{found:?}");
        };
        assert!(head.starts_with(b"0123456789\n 01"), "{head:?}");
        assert!(
            refusal.contains("exceeded byte limit (limit=30 bytes"),
            "{refusal}"
        );
        assert!(tail.ends_with(b" 0123456789"), "{tail:?}");
        assert_eq!(*next, event("next"));
    }
}

#[test]
fn what_is_exactly_as_large_as_the_limit_passes() {
    let limits = EventLimits { line: 7, event: 8 };
    assert_eq!(parse(b"data: a\n\n", limits, 3), [event("a")]);
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_once_and_counts_anew() {
    let idle = Duration::from_secs(1);
    let comment = futures::stream::once(async move {
        tokio::time::sleep(idle / 2).await;
        Ok(Bytes::from_static(b": still here\n"))
    });
    let mut events = Events::new(comment.chain(futures::stream::pending()), NONE);
    for expected in [idle * 3 / 2, idle] {
        let began = Instant::now();
        assert!(events.next_within(idle).await.is_err());
        let passed = began.elapsed();
        assert!(passed >= expected && passed < expected + idle / 10);
    }
}
