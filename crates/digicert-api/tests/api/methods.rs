//! A change of an order's method.

use digicert_api::{Class, DcvMethod};
use wiremock::matchers::{body_json, method, path};
use wiremock::{Mock, MockServer};

use crate::support::{ORDER, always, client, json};

/// Protects the request, and each documented answer: a value with its date, or nothing for email.
#[tokio::test]
async fn the_method_of_an_order_is_changed() {
    for (to, word, answer, value) in [
        (
            DcvMethod::DnsTxt,
            "dns-txt-token",
            r#"{"dcv_random_value":"abc","expiration_date":"2026-12-23T16:25:52+00:00"}"#,
            Some("abc"),
        ),
        (DcvMethod::Email, "email", "", None),
        (DcvMethod::DnsCname, "dns-cname-token", "{}", None),
        (DcvMethod::Unknown("http-token-2".to_owned()), "http-token-2", "[]", None),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("PUT"))
            .and(path("/services/v2/order/certificate/112233/dcv-method"))
            .and(body_json(serde_json::json!({ "dcv_method": word })))
            .respond_with(json(200, answer))
            .expect(1)
            .mount(&server)
            .await;
        let got = client(&server).change_dcv_method(ORDER, &to).await.expect(word);
        assert_eq!(got.value.as_deref(), value, "{word}");
        assert_eq!(got.expires.is_some(), value.is_some());
    }
}

/// Protects operators: refusals keep their class, and a value that no record can hold is not published.
#[tokio::test]
async fn a_change_of_method_may_fail() {
    for (status, body, class) in [
        (400, r#"{"errors":[{"code":"invalid_wildcard_dcv_method"}]}"#, Class::NotYet),
        (400, r#"{"errors":[{"code":"invalid_dcv_method"}]}"#, Class::Misconfigured),
        (404, r#"{"errors":[{"code":"not_found|order"}]}"#, Class::NotFound),
        (200, r#"{"dcv_random_value":"two words"}"#, Class::Undecodable),
        (200, "<html>", Class::Undecodable),
    ] {
        let (_server, client) = always(json(status, body)).await;
        let error = client.change_dcv_method(ORDER, &DcvMethod::Http).await.expect_err(body);
        assert_eq!(error.class(), class, "{body}");
    }
}

/// Protects the words: every documented method survives the way there and back, an unknown one too.
#[test]
fn every_method_is_its_word() {
    for word in ["email", "dns-txt-token", "dns-cname-token", "http-token", "http-token-dynamic"] {
        let method = DcvMethod::from(word);
        assert!(!matches!(method, DcvMethod::Unknown(_)), "{word}");
        assert_eq!(method.to_string(), word);
    }
    assert_eq!(DcvMethod::from(" HTTP-token "), DcvMethod::Http);
    assert_eq!(DcvMethod::from("semaphore").as_str(), "semaphore");
}
