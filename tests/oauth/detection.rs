//! How long finding out whether a server wants a login may take.

use std::time::Duration;

use indexmap::IndexMap;
use librechat_mcp_native::host::{Environment, NetworkRules};
use librechat_mcp_native::network::HttpClient;
use librechat_mcp_native::oauth::{Endpoints, detect};
use librechat_mcp_native::settings::Settings;
use tokio::net::TcpListener;
use tokio::time::Instant;
use url::Url;

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_waited_for_as_long_as_it_may_take_to_connect() {
    // Nobody accepts, and the system takes connections all the same.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let rules = NetworkRules {
        allowed_addresses: vec![address.to_string()],
        ssrf_protection: true,
        ..NetworkRules::default()
    };
    let url = Url::parse(&format!("http://{address}/mcp")).unwrap();
    let (http, environment) = (HttpClient::new(), Environment::default());
    let endpoints = Endpoints::new(http, &rules, &environment, None, &IndexMap::new()).unwrap();
    let seconds = Duration::from_secs;
    for (setting, init_timeout, longest) in [
        (seconds(5), Some(seconds(1)), seconds(1)),
        (seconds(5), None, seconds(5)),
        (seconds(60), None, seconds(10)),
        (seconds(60), Some(seconds(60)), seconds(10)),
    ] {
        let settings = Settings {
            oauth_detection_timeout: setting,
            ..Settings::default()
        };
        let begun = Instant::now();
        let detection = detect(&endpoints, &url, &settings, init_timeout).await;
        assert!(!detection.requires_oauth);
        let took = begun.elapsed();
        // Time stands still but for the waits.
        assert_eq!(
            took.as_secs(),
            longest.as_secs(),
            "{setting:?} {init_timeout:?}"
        );
    }
}
