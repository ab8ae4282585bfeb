//! Refusals: which answer is which class of error.

use std::time::Duration;

use digicert_api::{Class, Error};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{ORDER, always, assert_no_key, client, json};

fn envelope(code: &str) -> String {
    format!(r#"{{"errors":[{{"code":"{code}","message":"Said the CA."}}]}}"#)
}

async fn refusal(answer: ResponseTemplate) -> Error {
    let (_server, client) = always(answer).await;
    client.order(ORDER).await.expect_err("refusal")
}

/// Protects the reaction to every documented refusal, and to OQ-5 in each of its readings.
#[tokio::test]
async fn every_refusal_has_its_class() {
    for (status, code, class, label) in [
        (401, "access_denied", Class::KeyTrouble, "key_refused"),
        (401, "whatever", Class::KeyTrouble, "key_refused"),
        (401, "access_denied|missing_permission", Class::MissingPermission, "missing_permission"),
        (403, "access_denied|invalid_key", Class::KeyTrouble, "key_refused"),
        (403, "access_denied|access_denied_invalid_key", Class::KeyTrouble, "key_refused"),
        (400, "access_denied|access_denied_invalid_key", Class::KeyTrouble, "key_refused"),
        (404, "invalid_key", Class::KeyTrouble, "key_refused"),
        (500, "access_denied|invalid_key", Class::KeyTrouble, "key_refused"),
        (403, "access_denied|missing_permission", Class::MissingPermission, "missing_permission"),
        (400, "access_denied|missing_permission", Class::MissingPermission, "missing_permission"),
        (403, "access_denied", Class::MissingPermission, "forbidden"),
        (403, "access_denied|invalid_approver", Class::MissingPermission, "forbidden"),
        (403, "whatever", Class::MissingPermission, "forbidden"),
        (403, "not_found|order", Class::NotFound, "not_found"),
        (403, "invalid_dns_method", Class::Misconfigured, "misconfigured"),
        (404, "not_found|order", Class::NotFound, "not_found"),
        (404, "not_found|route", Class::NotFound, "not_found"),
        (404, "not_found", Class::NotFound, "not_found"),
        (429, "request_limit_exceeded", Class::Throttled, "throttled"),
        (503, "request_limit_exceeded", Class::Throttled, "throttled"),
        (400, "bad_request_format", Class::Misconfigured, "misconfigured"),
        (411, "odd", Class::Misconfigured, "misconfigured"),
        (400, "caa_check_failed|example.com", Class::NotYet, "declined"),
        (409, "conflict", Class::NotYet, "declined"),
        (406, "odd", Class::Transient, "unavailable"),
        (500, "odd", Class::Transient, "unavailable"),
        (502, "odd", Class::Transient, "unavailable"),
        (503, "odd", Class::Transient, "unavailable"),
        (504, "odd", Class::Transient, "unavailable"),
    ] {
        let error = refusal(json(status, &envelope(code))).await;
        assert_eq!((error.class(), error.label()), (class, label), "{status} {code}");
        assert_eq!((error.status(), error.code()), (Some(status), Some(code)));
        assert!(error.to_string().contains("Said the CA."), "{error}");
        assert_no_key(&error);
    }
}

/// Protects the key and the orders from a filter's page: what is not the CA's error document is not the CA's refusal,
/// and the message shows a bounded beginning.
#[tokio::test]
async fn a_refusal_that_is_not_the_cas_came_from_something_in_between() {
    let html = format!("<html>\r\n<h1>502 Bad\u{7} Gateway</h1>{}", "x".repeat(100_000));
    for body in
        ["<html>", "null", "[]", "\"text\"", "{}", r#"{"errors":null}"#, r#"{"errors":[]}"#, html.as_str()]
    {
        for (status, class) in [
            (400, Class::Gateway),
            (401, Class::Gateway),
            (403, Class::Gateway),
            (404, Class::Gateway),
            (407, Class::Gateway),
            (451, Class::Gateway),
            (429, Class::Throttled),
            (500, Class::Transient),
            (502, Class::Transient),
        ] {
            let error = refusal(ResponseTemplate::new(status).set_body_raw(body, "text/html")).await;
            assert_eq!((error.class(), error.status(), error.code()), (class, Some(status), None), "{body}");
            assert!(error.to_string().len() < 400 && !error.to_string().contains(char::is_control));
            if class == Class::Gateway {
                assert_eq!(error.label(), "gateway");
                assert!(error.to_string().starts_with("a filter or proxy answered, not DigiCert"), "{error}");
                assert!(!error.hint().is_some_and(|hint| hint.contains("key")), "{:?}", error.hint());
            }
        }
    }
}

/// Protects against silence: without a word a 401 is about the key and a 400 about the call; no other status is.
#[tokio::test]
async fn a_refusal_without_a_word_is_judged_by_its_status() {
    let classes = [
        (400, Class::NotYet),
        (401, Class::KeyTrouble),
        (403, Class::Gateway),
        (404, Class::Gateway),
        (500, Class::Transient),
    ];
    for (status, class) in classes {
        assert_eq!(refusal(ResponseTemplate::new(status)).await.class(), class, "{status}");
    }
}

/// Protects the account: a refused key is recognised among several complaints.
#[tokio::test]
async fn a_refused_key_is_found_among_several_complaints() {
    let body = r#"{"errors":[{"code":"access_denied"},{"code":"access_denied|invalid_key","message":"m"}]}"#;
    assert_eq!(refusal(json(403, body)).await.class(), Class::KeyTrouble);
}

/// Protects old fixtures: a single error object instead of a list.
#[tokio::test]
async fn a_single_error_object_is_read() {
    let error =
        refusal(json(403, r#"{"errors":{"code":"access_denied|missing_permission","message":"m"}}"#)).await;
    assert_eq!(error.class(), Class::MissingPermission);
    assert!(error.hint().is_some_and(|hint| hint.contains("View Only")));
}

/// Protects people: a hint tells a missing order from a wrong address.
#[tokio::test]
async fn hints_tell_a_missing_order_from_a_wrong_address() {
    let hint = |error: Error| error.hint().unwrap_or_default().to_owned();
    assert!(hint(refusal(json(404, &envelope("not_found|order"))).await).contains("order number"));
    assert!(hint(refusal(json(404, &envelope("not_found|route"))).await).contains("base URL"));
    assert!(hint(refusal(ResponseTemplate::new(404)).await).contains("base URL"));
}

/// Protects the account: `Retry-After` is handed on, and the load shows that we were told off.
#[tokio::test]
async fn a_429_hands_on_retry_after_and_slows_the_client() {
    let answer = json(429, &envelope("request_limit_exceeded")).insert_header("Retry-After", "17");
    let (_server, client) = always(answer).await;
    let error = client.me().await.expect_err("429");
    assert_eq!((error.class(), error.retry_after()), (Class::Throttled, Some(Duration::from_secs(17))));
    let load = client.load();
    assert!(load.slowed);
    assert_eq!((load.calls, load.throttled, load.under_way), (1, 1, 0));
    let paused = tokio::time::timeout(Duration::from_millis(300), client.me()).await;
    assert!(paused.is_err(), "the next call waits");
    assert_eq!((client.load().calls, client.load().waiting), (1, 0), "and leaves no trace when dropped");
}

/// Protects backing off: a 503 may come with `Retry-After` too, also as a date.
#[tokio::test]
async fn a_503_hands_on_retry_after() {
    let answer = ResponseTemplate::new(503)
        .insert_header("Date", "Mon, 23 Nov 2026 10:00:00 GMT")
        .insert_header("Retry-After", "Mon, 23 Nov 2026 10:02:00 GMT");
    assert_eq!(refusal(answer).await.retry_after(), Some(Duration::from_secs(120)));
}

/// Protects the caller's plan: nothing is repeated behind its back.
#[tokio::test]
async fn the_client_does_not_retry() {
    for status in [500, 503, 406, 429, 401] {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(ResponseTemplate::new(status)).expect(1).mount(&server).await;
        client(&server).order(ORDER).await.expect_err("refusal");
    }
}
