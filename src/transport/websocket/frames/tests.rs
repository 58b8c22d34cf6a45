use super::*;

/// A server's frame.
fn frame(opcode: OpCode, is_final: bool, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        is_final,
        opcode,
        ..FrameHeader::default()
    };
    let mut bytes = Vec::new();
    let frame = Frame::from_payload(header, payload.to_vec().into());
    frame.format(&mut bytes).unwrap();
    bytes
}

const TEXT: OpCode = OpCode::Data(Data::Text);
const BINARY: OpCode = OpCode::Data(Data::Binary);
const MORE: OpCode = OpCode::Data(Data::Continue);
const PING: OpCode = OpCode::Control(Control::Ping);
const CLOSE: OpCode = OpCode::Control(Control::Close);

fn parse(bytes: &[u8], limit: usize, step: usize) -> Result<Vec<Piece>> {
    let mut frames = Frames::new(limit);
    let mut found = Vec::new();
    for piece in bytes.chunks(step) {
        frames.feed(piece)?;
        found.extend(std::iter::from_fn(|| frames.next_piece()));
    }
    Ok(found)
}

fn message(text: &[u8]) -> Piece {
    Piece::Text(Text::Whole(text.to_vec()))
}

#[test]
fn messages_in_pieces_of_any_size() {
    let long = vec![b'x'; 70_000];
    let bytes = [
        frame(TEXT, true, b"one"),
        frame(BINARY, true, b""),
        frame(TEXT, false, b"tw"),
        frame(PING, true, b"?"),
        frame(MORE, true, b"o"),
        frame(TEXT, true, &[b'y'; 200]),
        frame(TEXT, true, &long),
        frame(CLOSE, true, b"\x03\xE8bye"),
    ]
    .concat();
    let expected = [
        message(b"one"),
        message(b""),
        Piece::Ping(b"?".to_vec()),
        message(b"two"),
        message(&[b'y'; 200]),
        message(&long),
        Piece::Close {
            code: Some(1000),
            reason: "bye".to_owned(),
        },
    ];
    for step in [1, 3, 1000, 100_000] {
        assert_eq!(parse(&bytes, 70_000, step).unwrap(), expected, "{step}");
    }
}

#[test]
fn a_long_message_is_skipped() {
    let bytes = [
        frame(TEXT, false, b"begin 0123456789"),
        frame(PING, true, b""),
        frame(MORE, true, b"0123456789 end"),
        frame(TEXT, true, b"next"),
    ]
    .concat();
    for step in [1, 1000] {
        let found = parse(&bytes, 20, step).unwrap();
        let [
            Piece::Ping(_),
            Piece::Text(Text::TooLarge { head, refusal }),
            Piece::Text(Text::TooLargeEnd { tail }),
            next,
        ] = &found[..]
        else {
            panic!("{found:?}");
        };
        assert!(head.starts_with(b"begin 012345678901234"), "{head:?}");
        assert!(refusal.contains("exceeded byte limit (limit=20 bytes"));
        assert!(tail.ends_with(b"9 end"), "{tail:?}");
        assert_eq!(*next, message(b"next"));
    }
}

#[test]
fn broken_frames() {
    for bytes in [
        b"\xC1\x00".to_vec(),
        b"\x83\x00".to_vec(),
        b"\x81\x80\0\0\0\0".to_vec(),
        frame(MORE, true, b"x"),
        [frame(TEXT, false, b"x"), frame(TEXT, true, b"x")].concat(),
        frame(PING, false, b""),
        frame(PING, true, &[0; 126]),
        frame(CLOSE, true, b"x"),
    ] {
        let error = parse(&bytes, 0, 1).unwrap_err();
        assert_eq!(error.code, Code::InvalidResponse, "{bytes:?}");
    }
}

#[test]
fn what_is_sent_is_masked() {
    let bytes = text(b"hello".to_vec());
    let (header, length) = FrameHeader::parse(&mut Cursor::new(&bytes))
        .unwrap()
        .unwrap();
    assert!(header.mask.is_some() && length == 5 && bytes.len() == 11);
}
