use super::*;

async fn listen() -> (Box<dyn RedirectEndpoint>, String) {
    let loopback = Loopback::new(&Environment::default());
    let endpoint = loopback.listen().await.unwrap();
    let origin = endpoint.origin().to_owned();
    (endpoint, origin)
}

async fn connect(origin: &str) -> TcpStream {
    let address = origin.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

async fn ask(origin: &str, request: &str) -> String {
    let mut stream = connect(origin).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A request with the host that a browser sends, or another one.
fn get(target: &str, host: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[tokio::test]
async fn redirects_and_what_is_none() {
    let (mut endpoint, origin) = listen().await;
    let host = origin.strip_prefix("http://").unwrap();
    let port = host.rsplit(':').next().unwrap();
    let long = format!("/{}", "a".repeat(MAX_REQUEST));
    for (request, status) in [
        (get("/favicon.ico", host), "404"),
        (get("/favicon.ico", &format!("LocalHost:{port}")), "404"),
        (
            format!("POST /?state=s&code=c HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            "400",
        ),
        ("\0\r\n\r\n".to_owned(), "400"),
        (get(&long, host), "400"),
        (get("/?state=s&code=c", "attacker.example"), "421"),
        (
            get("/?state=s&code=c", &format!("attacker.example:{port}")),
            "421",
        ),
        (get("/?state=s&code=c", "127.0.0.1:1"), "421"),
        (get("/?iss=a&state=s&code=c&iss=b", host), "404"),
        (
            get("/?state=s&code=c", &format!("{host}\r\nHost: {host}")),
            "421",
        ),
        ("GET /?state=s&code=c HTTP/1.1\r\n\r\n".to_owned(), "421"),
    ] {
        let answer = ask(&origin, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
    }
    let browser = tokio::spawn({
        let (origin, request) = (origin.clone(), get("/cb?code=c%20d&state=s&iss=i", host));
        async move { ask(&origin, &request).await }
    });
    let redirect = endpoint.next().await;
    assert_eq!(redirect.code, Some(Secret::from("c d")));
    assert_eq!(redirect.state, Some(Secret::from("s")));
    assert_eq!(redirect.iss.as_deref(), Some("i"));
    endpoint.answer(RedirectOutcome::Authorized).await;
    assert!(browser.await.unwrap().contains("You are logged in."));
    drop(endpoint);
    tokio::task::yield_now().await;
    assert!(TcpStream::connect(host).await.is_err(), "it is closed");
}

#[tokio::test]
async fn a_port_that_the_environment_names() {
    let at = |port: &str| Loopback::new(&Environment::from([(PORT, port)]));
    let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let used = taken.local_addr().unwrap().port().to_string();
    let error = |outcome: Result<Box<dyn RedirectEndpoint>>| outcome.err().unwrap().code;
    assert_eq!(error(at(&used).listen().await), Code::OAuthFlowFailed);
    for wrong in ["http", "65536", ""] {
        assert_eq!(
            error(at(wrong).listen().await),
            Code::InvalidConfig,
            "{wrong}"
        );
    }
    drop(taken);
    // Somebody else may have got it meanwhile, who keeps it for a moment.
    let mut endpoint = at(&used).listen().await;
    while endpoint.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        endpoint = at(&used).listen().await;
    }
    let origin = format!("http://127.0.0.1:{used}");
    assert_eq!(endpoint.unwrap().origin(), origin);
}

#[tokio::test]
async fn connections_that_send_nothing_hold_up_nobody() {
    let (mut endpoint, origin) = listen().await;
    let host = origin.strip_prefix("http://").unwrap();
    let mut idle = Vec::new();
    for count in 0..3 * MAX_CONNECTIONS {
        let mut stream = connect(&origin).await;
        // Every other one begins a request and does not end it.
        if count % 2 == 0 {
            stream.write_all(b"GET /?state=").await.unwrap();
        }
        idle.push(stream);
    }
    let browser = tokio::spawn({
        let (origin, request) = (origin.clone(), get("/?code=c&state=s", host));
        async move { ask(&origin, &request).await }
    });
    let soon = READ_TIMEOUT / 2;
    let redirect = tokio::time::timeout(soon, endpoint.next()).await;
    assert!(
        redirect
            .expect("no idle connection is waited for")
            .code
            .is_some()
    );
    endpoint.answer(RedirectOutcome::Authorized).await;
    assert!(browser.await.unwrap().contains("You are logged in."));
    let mut rest = Vec::new();
    let first = tokio::time::timeout(soon, idle[1].read_to_end(&mut rest)).await;
    assert!(first.is_ok(), "the oldest gave way");
}
