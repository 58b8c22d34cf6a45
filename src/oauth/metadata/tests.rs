use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn list(urls: Vec<Url>) -> Vec<String> {
    urls.into_iter().map(String::from).collect()
}

#[test]
fn well_known_places() {
    assert_eq!(
        list(well_known(&url("https://h.test/a/b/?q=1#f"), RESOURCE)),
        [
            "https://h.test/.well-known/oauth-protected-resource/a/b?q=1",
            "https://h.test/.well-known/oauth-protected-resource",
        ]
    );
    assert_eq!(
        list(well_known(&url("https://h.test/"), SERVER)),
        ["https://h.test/.well-known/oauth-authorization-server"]
    );
}

#[test]
fn server_documents_in_order() {
    assert_eq!(
        list(server_candidates(&url("https://h.test/tenant/"))),
        [
            "https://h.test/.well-known/oauth-authorization-server/tenant",
            "https://h.test/.well-known/openid-configuration/tenant",
            "https://h.test/tenant/.well-known/openid-configuration",
            "https://h.test/.well-known/oauth-authorization-server",
            "https://h.test/.well-known/openid-configuration",
        ]
    );
    assert_eq!(server_candidates(&url("https://h.test")).len(), 2);
}

#[test]
fn documents_are_bound_to_their_server() {
    let document = |resource: Value| {
        ResourceMetadata(json!({ "resource": resource }).as_object().unwrap().clone())
    };
    for (server, resource, bound) in [
        ("https://h.test/mcp", json!("https://h.test/mcp"), true),
        ("https://h.test/mcp", json!("https://h.test/mcp/"), false),
        ("https://h.test/mcp/", json!("https://h.test/mcp"), true),
        ("https://h.test/mcp", json!("https://h.test"), true),
        ("https://h.test/mcp", json!("https://h.test/m"), false),
        ("https://h.test/mcp", json!("https://h.test/mcp/x"), false),
        ("https://h.test/mcp", json!("http://h.test/mcp"), false),
        ("https://h.test/mcp", json!("https://h.test:444/mcp"), false),
        ("https://h.test/mcp", json!("https://evil.test/mcp"), false),
        ("https://h.test/mcp", json!("no url"), false),
        ("https://h.test/mcp", json!(null), false),
    ] {
        let checked = check_resource(&url(server), &document(resource.clone()));
        assert_eq!(checked.is_ok(), bound, "{server} {resource}");
    }
}

#[test]
fn capabilities() {
    let metadata = |value: Value| ServerMetadata(value.as_object().unwrap().clone());
    let code = metadata(json!({ "response_types_supported": ["code"] }));
    let (plain, both) = (
        ["plain".to_owned()],
        ["plain".to_owned(), "S256".to_owned()],
    );
    assert!(check_capabilities(&metadata(json!({})), None).is_ok());
    assert!(check_capabilities(&code, Some(&both)).is_ok());
    assert!(check_capabilities(&code, Some(&plain)).is_err());
    let token = metadata(json!({ "response_types_supported": ["token"] }));
    assert!(check_capabilities(&token, None).is_err());
}
