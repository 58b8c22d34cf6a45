use super::super::testing::{texts, user};
use super::*;
use crate::user::OpenIdTokens;

const FAR_FUTURE: i64 = 4_102_444_800;

/// All that the user has are variables.
fn expanding<'a>(context: &Context<'a>, trust: Trust, depth: Depth) -> Expander<'a> {
    Expander::new(context, trust, Variables::All, depth)
}

fn openid_user(expires_at: i64) -> User {
    let mut user = user("u1", [("provider", "openid"), ("email", "a@b")]);
    user.federated_tokens = Some(OpenIdTokens {
        access_token: Some(Secret::from("acc$&ess")),
        id_token: None,
        expires_at: Some(expires_at),
    });
    user
}

#[test]
fn user_fields() {
    let environment = Environment::default();
    let user = user(
        "u1",
        [
            ("name", "Ψ José"),
            ("email", "jos\u{e9}@x"),
            ("role", "Ψ"),
            ("openidId", "sub"),
            ("emailVerified", "true"),
            ("ldapId", ""),
            ("password", "s3cret"),
        ],
    );
    let context = Context {
        user: Some(&user),
        ..Context::of_environment(&environment)
    };
    let expander = expanding(&context, Trust::Operator, Depth::Call);
    for (template, header, other) in [
        ("{{LIBRECHAT_USER_ID}}", "u1", "u1"),
        ("{{LIBRECHAT_USER_NAME}}", "b64:zqggSm9zw6k=", "Ψ José"),
        ("{{LIBRECHAT_USER_EMAIL}}", "josé@x", "josé@x"),
        ("{{LIBRECHAT_USER_ROLE}}", "Ψ", "Ψ"),
        ("<{{LIBRECHAT_USER_OPENIDID}}>", "<sub>", "<sub>"),
        ("{{LIBRECHAT_USER_EMAILVERIFIED}}", "true", "true"),
        ("{{LIBRECHAT_USER_LDAPID}}", "", ""),
    ] {
        assert_eq!(expander.text(template, Place::Header), header, "{template}");
        assert_eq!(expander.text(template, Place::Other), other, "{template}");
    }
    for literal in [
        "{{LIBRECHAT_USER_SAMLID}}",
        "{{LIBRECHAT_USER_PASSWORD}}",
        "{{LIBRECHAT_USER_openidId}}",
        "{{LIBRECHAT_USER_}}",
        "{{ LIBRECHAT_USER_ID }}",
    ] {
        assert_eq!(expander.text(literal, Place::Header), literal);
    }
}

#[test]
fn without_a_user_or_an_id() {
    let environment = Environment::default();
    let nobody = expanding(
        &Context::of_environment(&environment),
        Trust::Operator,
        Depth::Call,
    );
    let literal = "{{LIBRECHAT_USER_ID}}{{LIBRECHAT_OPENID_TOKEN}}";
    assert_eq!(nobody.text(literal, Place::Header), literal);

    let anonymous = user("", []);
    let context = Context {
        user: Some(&anonymous),
        ..Context::of_environment(&environment)
    };
    let expander = expanding(&context, Trust::Operator, Depth::Call);
    assert_eq!(expander.text(literal, Place::Header), literal);
}

#[test]
fn openid_tokens() {
    let environment = Environment::default();
    for (expires_at, expected) in [
        (
            FAR_FUTURE,
            "Bearer acc$&ess a@b 4102444800 {{LIBRECHAT_OPENID_NONE}}",
        ),
        (
            1,
            "Bearer {{LIBRECHAT_OPENID_ACCESS_TOKEN}} {{LIBRECHAT_OPENID_USER_EMAIL}} {{LIBRECHAT_OPENID_EXPIRES_AT}} {{LIBRECHAT_OPENID_NONE}}",
        ),
    ] {
        let user = openid_user(expires_at);
        let context = Context {
            user: Some(&user),
            ..Context::of_environment(&environment)
        };
        let text = expanding(&context, Trust::Operator, Depth::Call).text(
            "Bearer {{LIBRECHAT_OPENID_ACCESS_TOKEN}} {{LIBRECHAT_OPENID_USER_EMAIL}} {{LIBRECHAT_OPENID_EXPIRES_AT}} {{LIBRECHAT_OPENID_NONE}}",
            Place::Header,
        );
        assert_eq!(text, expected);
    }
}

#[test]
fn chat_request() {
    let environment = Environment::default();
    let body = texts([("conversationId", "c1"), ("secret", "s")]);
    let template =
        "{{LIBRECHAT_BODY_CONVERSATIONID}}/{{LIBRECHAT_BODY_MESSAGEID}}/{{LIBRECHAT_BODY_SECRET}}";
    for (depth, body, expected) in [
        (Depth::Call, Some(&body), "c1//{{LIBRECHAT_BODY_SECRET}}"),
        (
            Depth::Reference,
            Some(&body),
            "c1//{{LIBRECHAT_BODY_SECRET}}",
        ),
        (Depth::Call, None, "//{{LIBRECHAT_BODY_SECRET}}"),
        (Depth::Reference, None, template),
        (Depth::Lasting, Some(&body), template),
    ] {
        let context = Context {
            body,
            ..Context::of_environment(&environment)
        };
        let expander = expanding(&context, Trust::Operator, depth);
        assert_eq!(expander.text(template, Place::Header), expected);
    }
}

#[test]
fn graph_token() {
    let environment = Environment::default();
    let token = Secret::from("graph");
    let context = Context {
        graph_token: Some(&token),
        ..Context::of_environment(&environment)
    };
    let literal = "{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}";
    let expander = expanding(&context, Trust::Operator, Depth::Call);
    assert_eq!(expander.text(literal, Place::Header), "graph");
    assert_eq!(expander.text(literal, Place::UrlOrEnv), "graph");
    assert_eq!(expander.text(literal, Place::Other), literal);
    let none = Context::of_environment(&environment);
    let expander = expanding(&none, Trust::Operator, Depth::Call);
    assert_eq!(expander.text(literal, Place::Header), literal);
}

/// The environment comes first, since only an administrator writes `${VAR}`, and nothing is expanded twice.
#[test]
fn user_data_is_text() {
    let environment = Environment::from([("SECRET", "s3cret"), ("SCHEME", "Bearer {{KEY}}")]);
    let user = user("{{B}}", [("name", "${SECRET} {{A}}")]);
    let variables = texts([
        ("KEY", "$&-$1-$$"),
        ("A", "${SECRET} {{B}} {{LIBRECHAT_USER_ID}}"),
        ("B", "b"),
        ("LIBRECHAT_USER_EMAIL", "mine"),
    ]);
    let body = texts([("messageId", "${SECRET}{{A}}")]);
    let context = Context {
        user: Some(&user),
        custom_user_vars: Some(&variables),
        body: Some(&body),
        graph_token: None,
        openid_token: None,
        environment: &environment,
    };
    let expander = expanding(&context, Trust::Operator, Depth::Call);
    for (template, expected) in [
        ("${SCHEME}", "Bearer $&-$1-$$"),
        ("{{A}}", "${SECRET} {{B}} {{LIBRECHAT_USER_ID}}"),
        ("{{LIBRECHAT_USER_ID}}", "{{B}}"),
        ("{{LIBRECHAT_USER_NAME}}", "${SECRET} {{A}}"),
        ("{{LIBRECHAT_USER_EMAIL}}", "mine"),
        ("{{LIBRECHAT_BODY_MESSAGEID}}", "${SECRET}{{A}}"),
        ("{{B}}{{B}} {{b}} {{B}", "bb {{b}} {{B}"),
        ("{{{B}}} {{x{{B}}", "{b} {{xb"),
        ("é{{B}}é}}{{", "ébé}}{{"),
    ] {
        assert_eq!(
            expander.text(template, Place::Header),
            expected,
            "{template}"
        );
    }
}

#[test]
fn a_sandboxed_config_sees_its_variables_only() {
    let environment = Environment::from([("SECRET", "s3cret")]);
    let user = openid_user(FAR_FUTURE);
    let variables = texts([("K", "own")]);
    let body = texts([("messageId", "m")]);
    let token = Secret::from("graph");
    let context = Context {
        user: Some(&user),
        custom_user_vars: Some(&variables),
        body: Some(&body),
        graph_token: Some(&token),
        openid_token: None,
        environment: &environment,
    };
    let expander = expanding(&context, Trust::User, Depth::Call);
    for literal in [
        " ${SECRET} ",
        "{{LIBRECHAT_USER_ID}}",
        "{{LIBRECHAT_OPENID_TOKEN}}",
        "{{LIBRECHAT_BODY_MESSAGEID}}",
        "{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}",
    ] {
        assert_eq!(expander.text(literal, Place::Header), literal);
        assert_eq!(expander.admin_text(literal), literal);
    }
    assert_eq!(expander.text("<{{K}}>", Place::Header), "<own>");
}

#[test]
fn variables_that_are_declared() {
    let environment = Environment::default();
    let user = user("u1", []);
    let declared = [
        "K".to_owned(),
        "LIBRECHAT_USER_ID".to_owned(),
        "LIBRECHAT_BODY_X".to_owned(),
    ];
    let values = texts([
        ("K", "{{LIBRECHAT_USER_ID}}${A}{{K}}"),
        ("OTHER", "o"),
        ("LIBRECHAT_USER_ID", "victim"),
        ("LIBRECHAT_BODY_X", "x"),
        ("LIBRECHAT_BODY_MESSAGEID", "m"),
        ("LIBRECHAT_GRAPH_ACCESS_TOKEN", "t"),
    ]);
    let context = Context {
        user: Some(&user),
        custom_user_vars: Some(&values),
        ..Context::of_environment(&environment)
    };
    for trust in [Trust::Operator, Trust::User] {
        let of =
            |declared| Expander::new(&context, trust, Variables::Declared(declared), Depth::Call);
        let expander = of(&declared[..]);
        let once = "{{LIBRECHAT_USER_ID}}${A}{{K}}";
        assert_eq!(expander.text("{{K}}", Place::Header), once);
        assert!(expander.has_variables("x{{K}}"));
        let id = expander.text("{{LIBRECHAT_USER_ID}}", Place::Header);
        assert_ne!(id, "victim");
        for literal in [
            "{{OTHER}}",
            "{{LIBRECHAT_BODY_X}}",
            "{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}",
        ] {
            assert_eq!(expander.text(literal, Place::Header), literal);
            assert!(!expander.has_variables(literal));
        }
        assert_eq!(of(&[]).text("{{K}}", Place::Header), "{{K}}");
    }
    let plugin = Expander::new(
        &context,
        Trust::Plugin,
        Variables::Declared(&declared),
        Depth::Call,
    );
    for literal in [
        " ${A} ",
        "{{K}}",
        "{{LIBRECHAT_USER_ID}}",
        "{{LIBRECHAT_BODY_MESSAGEID}}",
    ] {
        assert_eq!(plugin.text(literal, Place::UrlOrEnv), literal);
    }
}

/// A user may write a template, so odd ones must not take long.
#[test]
fn hostile_templates() {
    let environment = Environment::default();
    let expander = expanding(
        &Context::of_environment(&environment),
        Trust::Operator,
        Depth::Call,
    );
    let braces = [
        "{".repeat(200_000),
        "}".repeat(200_000),
        "{{".repeat(100_000) + "}}",
        "{{A}}".repeat(50_000),
        "${".repeat(100_000),
        "x${".repeat(100_000) + "}",
    ];
    for template in braces {
        assert_eq!(expander.text(&template, Place::Other), template);
    }
}
