//! Random value, check, validation status: every documented answer and every disputed one.

use digicert_api::{Check, CheckOutcome, Class, DomainId, Error, OrderStatus, OrderValue};
use wiremock::ResponseTemplate;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer};

use crate::support::{ORDER, always, client, json};

async fn value(body: &str) -> Result<OrderValue, Error> {
    let (_server, client) = always(json(200, body)).await;
    client.random_value(ORDER).await
}

async fn check(status: u16, body: &str) -> Result<Check, Error> {
    let (_server, client) = always(json(status, body)).await;
    client.check_dcv(ORDER).await
}

fn reason(check: &Check) -> &str {
    match &check.outcome {
        CheckOutcome::NotYet { reason } => reason,
        CheckOutcome::Validated => panic!("validated: {check:?}"),
    }
}

/// Protects the main call: method, path, and the explicit zero length that gateways ask for.
#[tokio::test]
async fn the_value_is_put_for_without_a_body() {
    let server = MockServer::start().await;
    Mock::given(method("PUT"))
        .and(path("/services/v2/order/certificate/112233/dcv-random-value"))
        .and(header("content-length", "0"))
        .and(header("accept", "application/json"))
        .respond_with(json(
            200,
            r#"{"dcv_random_value":"q7m3xk2v9p0t","expiration_date":"2026-12-23T16:25:52+00:00"}"#,
        ))
        .expect(1)
        .mount(&server)
        .await;
    let got = client(&server).random_value(ORDER).await.expect("value");
    assert_eq!(got.value.as_deref(), Some("q7m3xk2v9p0t"));
    assert_eq!(got.expires, "2026-12-23T16:25:52Z".parse().ok());
    assert_eq!(got.expires_raw.as_deref(), Some("2026-12-23T16:25:52+00:00"));
}

/// Protects the expiry timer: every form of the date is the same instant.
#[tokio::test]
async fn the_expiry_may_come_in_every_form() {
    for date in [
        "2026-12-23T16:25:52Z",
        "2026-12-23T16:25:52.000Z",
        "2026-12-23T09:25:52-0700",
        "2026-12-23 16:25:52",
    ] {
        let got =
            value(&format!(r#"{{"dcv_random_value":"v","expiration_date":"{date}"}}"#)).await.expect(date);
        assert_eq!(got.expires, "2026-12-23T16:25:52Z".parse().ok(), "{date}");
    }
}

/// Protects the value: a missing, broken or absurd date does not cost us the value that came with it.
#[tokio::test]
async fn a_value_without_a_legible_expiry_is_still_a_value() {
    for (date, raw) in [
        ("null", None),
        ("\"\"", None),
        ("\"tomorrow\"", Some("tomorrow")),
        ("\"9999-12-31T23:59:59Z\"", Some("9999-12-31T23:59:59Z")),
        ("1766507152", Some("1766507152")),
        ("{}", None),
    ] {
        let got =
            value(&format!(r#"{{"dcv_random_value":"v","expiration_date":{date}}}"#)).await.expect(date);
        assert_eq!((got.value.as_deref(), got.expires), (Some("v"), None), "{date}");
        assert_eq!(got.expires_raw.as_deref(), raw);
    }
    let far =
        value(r#"{"dcv_random_value":"v","expiration_date":"9999-01-01T00:00:00Z"}"#).await.expect("far");
    assert!(far.expires.is_some());
    assert_eq!(value(r#"{"dcv_random_value":"v"}"#).await.expect("absent").expires_raw, None);
}

/// Protects orders with nothing to prove: a success without a value is an answer, not an error.
#[tokio::test]
async fn a_success_without_a_value_is_no_error() {
    for body in ["", " \n", "{}", "[]", r#"{"dcv_random_value":null}"#, r#"{"dcv_random_value":" "}"#] {
        assert_eq!(value(body).await.expect(body).value, None);
    }
    let (_server, client) = always(ResponseTemplate::new(204)).await;
    assert_eq!(client.random_value(ORDER).await.expect("204").value, None);
}

/// Protects DNS: what no record can hold is refused here, with a class that reaches us developers.
#[tokio::test]
async fn a_value_unfit_for_dns_is_undecodable() {
    for bad in ["a b".to_owned(), "a\\nb".to_owned(), "é".to_owned(), "a".repeat(256)] {
        let error = value(&format!(r#"{{"dcv_random_value":"{bad}"}}"#)).await.expect_err(&bad);
        assert_eq!(error.class(), Class::Undecodable);
    }
}

/// Protects OQ-7: an order in no state for a value is `NotYet`, an email order is `Misconfigured`.
#[tokio::test]
async fn a_value_may_be_declined() {
    for (code, class) in [
        ("invalid_order_status", Class::NotYet),
        ("invalid_dcv_method", Class::Misconfigured),
        ("invalid_dns_method|email", Class::Misconfigured),
        ("bad_request_format", Class::Misconfigured),
    ] {
        let (_server, client) = always(json(400, &format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#))).await;
        let error = client.random_value(ORDER).await.expect_err(code);
        assert_eq!((error.class(), error.code(), error.status()), (class, Some(code), Some(400)));
        assert!(error.hint().is_some());
    }
}

/// Protects the documented success in all its forms: list approved, `valid` alone, or issued.
#[tokio::test]
async fn a_check_that_finds_everything_is_validated() {
    for body in [
        r#"{"order_status":"issued","certificate_id":301,"dcv_status":"valid",
            "dns_name_validations":[{"dns_name":"example.com","status":"approved"}]}"#,
        r#"{"order_status":"pending","dcv_status":"valid","certificate_id":"301"}"#,
        r#"{"order_status":"issued","certificate_id":301}"#,
        r#"{"certificate_id":301,"dns_name_validations":[{"dns_name":"a","status":"approved"},{"dns_name":"b","status":"approved"}]}"#,
    ] {
        let got = check(200, body).await.expect(body);
        assert_eq!((got.outcome, got.certificate_id), (CheckOutcome::Validated, Some(301)), "{body}");
    }
}

/// Protects OQ-3 and OQ-4: a miss is one and the same outcome in each of its forms.
#[tokio::test]
async fn every_form_of_a_miss_is_not_yet() {
    let wild = r#"{"errors":[{"code":"invalid_wildcard_dcv_method","message":"Wildcards."}]}"#;
    for (status, body, expected) in [
        (
            200,
            r#"{"order_status":"pending","dcv_status":"pending","dns_name_validations":[
            {"dns_name":"example.com","status":"approved"},{"dns_name":"example.org","status":"unapproved"}]}"#,
            "not approved: example.org (unapproved); DCV status pending; order status pending",
        ),
        (
            200,
            r#"{"dns_name_validations":[{"dns_name":"example.org","status":"pending"}]}"#,
            "example.org (pending)",
        ),
        (
            200,
            r#"{"dns_name_validations":[{"dns_name":"example.org","status":"quantum"}]}"#,
            "example.org (quantum)",
        ),
        (200, r#"{"dns_name_validations":[{"dns_name":"example.org"},null,7]}"#, "example.org (no status)"),
        (200, r#"{"order_status":"contemplating","dcv_status":"musing"}"#, "DCV status musing"),
        (200, r#"{"dns_name_validations":[],"dcv_status":null}"#, "no detail"),
        (200, "{}", "no detail"),
        (200, "", "no detail"),
        (204, "", "no detail"),
        (
            400,
            r#"{"errors":[{"code":"invalid_dns_txt","message":"Could not find a valid TXT record."}]}"#,
            "invalid_dns_txt: Could not find a valid TXT record.",
        ),
        (
            400,
            r#"{"errors":[{"code":"file_random_value_not_found","message":"m"}]}"#,
            "file_random_value_not_found",
        ),
        (400, r#"{"errors":[{"code":"cname_thing","message":"m"}]}"#, "cname_thing"),
        (400, r#"{"errors":{"code":"invalid_dns_txt","message":"single"}}"#, "single"),
        (400, wild, "Wildcards."),
        (400, "", "HTTP 400"),
    ] {
        let got = check(status, body).await.expect(body);
        assert!(reason(&got).contains(expected), "{body}: {}", reason(&got));
    }
}

/// Protects the details of a miss: what the CA said about each name is kept, unknown words included.
#[tokio::test]
async fn the_details_of_a_check_are_kept() {
    let body = r#"{"order_status":"odd","dns_name_validations":[
        {"dns_name":"a.example","status":"APPROVED"},{"dns_name":"b.example","status":"odd"}],"surprise":[1]}"#;
    let got = check(200, body).await.expect("check");
    assert_eq!(got.order_status, Some(OrderStatus::Unknown("odd".to_owned())));
    assert_eq!(got.names.iter().map(|name| name.approved).collect::<Vec<_>>(), [true, false]);
    assert_eq!(got.names[1].status, "odd");
}

/// Protects operators' time: what no waiting cures is an error, not a miss.
#[tokio::test]
async fn a_check_that_can_never_succeed_is_misconfigured() {
    for code in ["invalid_dns_method", "invalid_dcv_method", "bad_request_format", "invalid_dns_method|x"] {
        let error = check(400, &format!(r#"{{"errors":[{{"code":"{code}","message":"m"}}]}}"#))
            .await
            .expect_err(code);
        assert_eq!(error.class(), Class::Misconfigured);
    }
}

/// Protects against a portal: a page instead of an answer is no miss.
#[tokio::test]
async fn a_page_instead_of_a_check_is_undecodable() {
    assert_eq!(check(200, "<html>Log in</html>").await.expect_err("page").class(), Class::Undecodable);
}

async fn validation(body: &str) -> Result<digicert_api::OrderValidation, Error> {
    let (_server, client) = always(json(200, body)).await;
    client.order_validation(ORDER).await
}

/// Protects the list of names: the documented answer, with ids as text and as numbers.
#[tokio::test]
async fn what_is_to_prove_is_read_with_either_kind_of_id() {
    for quote in ["\"", ""] {
        let body = format!(
            r#"{{"order_id":{quote}112233{quote},"order_status":"pending","order_name_scope":"base_domain",
            "order_dcv_method":"dns-txt-token","organization_id":{quote}7788{quote},
            "organization_validations":[{{"type":"ov","name":"OV","status":"pending"}}],
            "dns_name_validations":[{{"domain_id":{quote}9911{quote},"name_scope":"example.com",
            "approval_scope":"subdomains","status":"pending","method":"dns-txt-token","expiration":"x",
            "dns_names":["www.example.com"," ","example.com"]}}]}}"#
        );
        let got = validation(&body).await.expect("validation");
        assert_eq!((got.order_id, &got.status), (ORDER, &Some(OrderStatus::Pending)));
        assert_eq!(got.name_scope.as_deref(), Some("base_domain"));
        assert_eq!(got.method.as_deref(), Some("dns-txt-token"));
        assert_eq!(got.organization_missing, ["OV (pending)"]);
        let [name] = got.names.as_slice() else { panic!("{got:?}") };
        assert_eq!(
            (name.domain_id, name.scope.as_str(), name.approved),
            (Some(DomainId::new(9911)), "example.com", false)
        );
        assert_eq!(name.dns_names, ["www.example.com", "example.com"]);
    }
}

/// Protects against thin answers: whatever is missing, null or unknown, the rest is read.
#[tokio::test]
async fn what_is_to_prove_is_read_from_thin_answers() {
    let thin = validation(r#"{"order_status":"issued"}"#).await.expect("thin");
    assert!(thin.names.is_empty() && thin.organization_missing.is_empty() && thin.method.is_none());

    let nulls = r#"{"order_id":null,"order_status":null,"organization_validations":null,"dns_name_validations":[
        {"name_scope":"example.com","status":null,"domain_id":null,"dns_names":null,"new":{}},
        {"status":"approved"},
        {"name_scope":"example.org","status":"approved","dns_names":"example.org"}]}"#;
    let got = validation(nulls).await.expect("nulls");
    let scopes: Vec<_> = got.names.iter().map(|name| (name.scope.as_str(), name.approved)).collect();
    assert_eq!(scopes, [("example.com", false), ("example.org", true)]);

    let done = r#"{"order_status":"pending","organization_validations":[{"status":"complete"},{"status":"active"}]}"#;
    assert!(validation(done).await.expect("done").organization_missing.is_empty());
}

/// Protects against false success: beside proven scopes, one that is open and cannot be told is not left out.
#[tokio::test]
async fn what_is_open_without_a_name_is_not_left_out() {
    let proven = r#"{"name_scope":"example.com","status":"approved"}"#;
    for open in [
        r#"{"status":"pending"}"#,
        r#"{"status":"pending","name_scope":{"name":"a.example"}}"#,
        "{}",
        r#""a.example""#,
        r#"["a.example"]"#,
        "7",
    ] {
        for list in [format!("[{proven},{open}]"), format!(r#"{{"0":{proven},"4":{open}}}"#)] {
            let body = format!(r#"{{"order_status":"pending","dns_name_validations":{list}}}"#);
            let got = validation(&body).await.expect(&body);
            let scopes: Vec<_> = got.names.iter().map(|name| (name.scope.as_str(), name.approved)).collect();
            assert_eq!(scopes, [("example.com", true), ("", false)], "{body}");
        }
    }
    let nothing = r#"{"order_status":"pending","dns_name_validations":{}}"#;
    assert!(validation(nothing).await.expect("nothing").names.is_empty(), "a list without items");
}

/// Protects the person who has to act: what the organisation lacks is told in words, whatever shape they come in.
#[tokio::test]
async fn what_the_organisation_lacks_is_told_in_words() {
    let missing = async |parts: &str| {
        let body = format!(r#"{{"order_status":"pending","organization_validations":{parts}}}"#);
        validation(&body).await.expect(parts).organization_missing
    };
    for (part, text) in [
        (r#"{"type":"ev","name":"EV","description":"Extended","status":"expired"}"#, "EV (expired)"),
        (r#"{"type":"ev","status":"Pending"}"#, "ev (Pending)"),
        (
            r#"{"name":" ","description":"Organisation details","status":null}"#,
            "Organisation details (no status)",
        ),
        (r#"{"type":7,"name":["OV"],"status":0}"#, "7 (0)"),
        (r#"{"name":"O\nV\u001b[31m","status":{"word":"pending"}}"#, "O V [31m (no status)"),
    ] {
        assert_eq!(missing(&format!("[{part}]")).await, [text]);
        assert_eq!(missing(part).await, [text], "also without a list");
    }
    assert_eq!(missing("[{}]").await, ["organisation validation (no status)"]);
    assert!(missing("{}").await.is_empty());
    let done = r#"[{"name":"OV","status":"Completed"}]"#;
    for odd in ["null", "7", r#""pending""#, r#"[null, 3, "x", []]"#, done] {
        assert!(missing(odd).await.is_empty(), "{odd}");
    }

    let long = "é".repeat(500);
    let many = vec![format!(r#"{{"name":"{long}","status":"{long}"}}"#); 40].join(",");
    let texts = missing(&format!("[{many}]")).await;
    assert_eq!((texts.len(), texts[4].as_str()), (5, "36 more"));
    assert!(texts.iter().all(|text| text.chars().count() < 130), "{texts:?}");
    let five = [r#"{"name":"OV","status":"pending"}"#; 5].join(",");
    assert_eq!(missing(&format!("[{five}]")).await, ["OV (pending)"; 5]);
}

/// Protects records of others: an answer about nothing, or about another order, is not acted upon.
#[tokio::test]
async fn an_empty_or_foreign_answer_is_undecodable() {
    for body in
        ["", "{}", r#"{"order_id":"999","order_status":"pending"}"#, r#"{"dns_name_validations":null}"#]
    {
        assert_eq!(validation(body).await.expect_err(body).class(), Class::Undecodable);
    }
}

/// Protects memory: an order of ten thousand scopes is none that DigiCert has, and is told as such.
#[tokio::test]
async fn an_order_of_thousands_of_names_is_refused() {
    let scope = |n: u32| {
        format!(r#"{{"name_scope":"h{n}.example.com","status":"pending","dns_names":["h{n}.example.com"]}}"#)
    };
    let body = |count: u32| {
        let scopes: Vec<String> = (0..count).map(scope).collect();
        format!(r#"{{"order_status":"pending","dns_name_validations":[{}]}}"#, scopes.join(","))
    };
    let (_server, client) = always(json(200, &body(250))).await;
    assert_eq!(client.order_validation(ORDER).await.expect("250 names").names.len(), 250);
    for body in [
        body(10_000),
        format!(
            r#"{{"order_status":"pending","dns_name_validations":[{{"name_scope":"a.example","status":"pending","dns_names":[{}]}}]}}"#,
            vec![r#""a.example""#; 5000].join(",")
        ),
    ] {
        let (_server, client) = always(json(200, &body)).await;
        let error = client.order_validation(ORDER).await.expect_err("too many");
        assert_eq!(error.class(), Class::Undecodable);
        assert!(error.to_string().contains("more than a thousand domains"), "{error}");
    }
}
