#![no_main]

use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::error::Error;
use librechat_mcp_native::oauth::BearerChallenge;
use librechat_mcp_native::obo::claims_challenge;

fuzz_target!(|text: &str| {
    let _ = BearerChallenge::parse(text);
    let refused = Error::http_status(401, "refused").with_challenge(Some(text.to_owned()));
    let _ = claims_challenge(&refused);

    let quoted = text.replace('\\', r"\\").replace('"', "\\\"");
    let header =
        format!("Basic realm=\"a, Bearer error=b\", Bearer error=\"{quoted}\", scope=\"c d\"");
    let challenge = BearerChallenge::parse(&header).expect("a Bearer challenge");
    assert_eq!(challenge.error.as_deref().unwrap_or_default(), text);
    assert_eq!(challenge.scope.as_deref(), Some("c d"));
});
