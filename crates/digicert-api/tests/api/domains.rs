//! Domains: list, info, submission, new value, check, method.

use digicert_api::{CheckOutcome, Class, DcvMethod, DomainCheck, DomainFilter, DomainId, DomainValue, Error};
use wiremock::matchers::{body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{always, client, json};

const DOMAIN: DomainId = DomainId::new(9911);

/// A CA that knows one call, with this body, and answers it once.
async fn scripted(verb: &str, at: &str, body: Option<serde_json::Value>, answer: &str) -> MockServer {
    let server = MockServer::start().await;
    let call = Mock::given(method(verb)).and(path(format!("/services/v2{at}")));
    let call = match body {
        Some(body) => call.and(header("content-type", "application/json")).and(body_json(body)),
        None => call.and(header("content-length", "0")),
    };
    call.respond_with(json(200, answer)).expect(1).mount(&server).await;
    server
}

/// Protects prevalidation: the documented answer is read in full, value, dates and validations.
#[tokio::test]
async fn a_domain_is_read() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/services/v2/domain/9911"))
        .and(query_param("include_dcv", "true"))
        .and(query_param("include_validation", "true"))
        .respond_with(json(
            200,
            r#"{ "id": 9911, "name": "example.com", "is_active": true, "is_pending_validation": true,
            "status": "pending", "date_created": "2025-03-02T08:00:00+00:00", "dcv_method": "dns-txt-token",
            "dcv_approval_datetime": "2026-05-20T08:01:00+00:00",
            "dcv_expiration_datetime": "2026-12-05T08:01:00+00:00", "dcv_expiration": {"ov": "2026-12-05T08:01:00Z"},
            "organization": { "id": 7788, "name": "Example Org", "is_active": "1" },
            "validations": [ { "type": "ov", "status": "active", "dcv_status": "pending",
                "validated_until": "2026-12-05T08:01:00.000Z" } ],
            "dcv_token": { "token": "k2v9p0tz4n8c1wfy", "status": "pending",
                "expiration_date": "2026-12-23T16:25:52+00:00" },
            "container": { "id": 10, "name": "Main" }, "account_token": "ff" }"#,
        ))
        .expect(1)
        .mount(&server)
        .await;
    let got = client(&server).domain(DOMAIN).await.expect("domain");
    assert_eq!((got.id, got.name.as_str()), (DOMAIN, "example.com"));
    assert_eq!((got.active, got.pending, got.method), (Some(true), Some(true), Some(DcvMethod::DnsTxt)));
    assert_eq!(got.approved, "2026-05-20T08:01:00Z".parse().ok());
    assert_eq!(got.expiry.earliest(), "2026-12-05T08:01:00Z".parse().ok());
    assert_eq!((got.organization_id, got.container_id), (Some(7788), Some(10)));
    let [validation] = got.validations.as_slice() else { panic!("{:?}", got.validations) };
    assert_eq!((validation.kind.as_str(), validation.status.as_deref()), ("ov", Some("active")));
    assert_eq!(validation.dcv_status.as_deref(), Some("pending"));
    assert_eq!(validation.validated_until, "2026-12-05T08:01:00Z".parse().ok());
    let value = got.value.expect("value");
    assert_eq!(value.value.as_deref(), Some("k2v9p0tz4n8c1wfy"));
    assert_eq!(
        (value.status.as_deref(), value.expires),
        (Some("pending"), "2026-12-23T16:25:52Z".parse().ok())
    );
}

/// Protects against type drift: ids and flags as text, another field for the name, unknown words, thin answers.
#[tokio::test]
async fn an_odd_domain_is_read_as_far_as_it_goes() {
    let odd = r#"{"id":"9911","dns_name":"example.org","is_active":"0","is_pending_validation":1,
        "dcv_method":"semaphore","dcv_expiration_datetime":"12/05/2026 01:01 AM","dcv_expiration":[],
        "validations":[{"type":"qwac","status":"brooding"},{"status":"active"},null],"dcv_token":null,
        "organization":null,"container":{"id":"10"},"surprise":{}}"#;
    let (_server, client) = always(json(200, odd)).await;
    let got = client.domain(DOMAIN).await.expect("odd");
    assert_eq!(
        (got.name.as_str(), got.active, got.pending, got.container_id),
        ("example.org", Some(false), Some(true), Some(10))
    );
    assert_eq!(got.method, Some(DcvMethod::Unknown("semaphore".to_owned())));
    assert_eq!((got.validations.len(), got.validations[0].kind.as_str()), (1, "qwac"));
    assert_eq!((got.value, got.expiry.earliest()), (None, None));
    assert_eq!(got.expiry.any.expect("text").raw, "12/05/2026 01:01 AM");

    let (_server, client) = always(json(200, r#"{"name":"a.example"}"#)).await;
    assert_eq!(client.domain(DOMAIN).await.expect("thin").active, None);
}

/// Protects others' domains: an answer without a name, or about another domain, is not acted upon.
#[tokio::test]
async fn a_domain_without_a_name_or_of_another_number_is_undecodable() {
    for body in ["", "{}", r#"{"id":9911}"#, r#"{"id":5,"name":"example.com"}"#, "<html>"] {
        let (_server, client) = always(json(200, body)).await;
        assert_eq!(client.domain(DOMAIN).await.expect_err(body).class(), Class::Undecodable);
    }
    let missing = r#"{"errors":[{"code":"not_found|domain","message":"No."}]}"#;
    let (_server, client) = always(json(404, missing)).await;
    assert_eq!(client.domain(DOMAIN).await.expect_err("missing").class(), Class::NotFound);
}

/// Protects renewal: a date with an offset is an instant, a plain day its beginning; a time of day without an offset is kept
/// as text and never taken for UTC.
#[tokio::test]
async fn only_certain_expiry_dates_are_instants() {
    let at = "2026-12-05T08:01:00Z".parse().ok();
    for (raw, read) in [
        ("2026-12-05T08:01:00+00:00", at),
        ("2026-12-05T08:01:00Z", at),
        ("2026-12-05T08:01:00.000Z", at),
        ("2026-12-05T01:01:00-0700", at),
        ("2026-12-05T01:01:00", None),
        ("2026-12-05 01:01:00", None),
        ("2026-12-05", "2026-12-05T00:00:00Z".parse().ok()),
        ("2026-12", None),
        ("never", None),
    ] {
        let body = format!(
            r#"{{"domains":[{{"id":1,"name":"a","dcv_expiration":{{"ov":"{raw}","ov_status":"active"}}}}]}}"#
        );
        let (_server, client) = always(json(200, &body)).await;
        let got = client.domains(&DomainFilter::default()).await.expect(raw).remove(0).expiry;
        let ov = got.ov.clone().expect(raw);
        assert_eq!((ov.at, ov.raw.as_str(), got.earliest()), (read, raw, read));
        assert_eq!(got.ov_status.as_deref(), Some("active"));
    }
}

/// Protects the account's overview: the date of the last proof is found in either place and kept only if it is
/// certain; whether a proof is outstanding is read where the list says so.
#[tokio::test]
async fn the_last_proof_is_found_in_either_place() {
    let (may, june) = ("2026-05-20T08:01:00Z".parse().ok(), "2026-06-20T08:01:00Z".parse().ok());
    for (fields, approved, pending) in [
        (r#""dcv_expiration":{"dcv_approval_date":"2026-05-20T08:01:00+00:00"}"#, may, None),
        (
            r#""dcv_approval_datetime":"2026-06-20T08:01:00Z","is_pending_validation":true,
            "dcv_expiration":{"dcv_approval_date":"2026-05-20T08:01:00Z"}"#,
            june,
            Some(true),
        ),
        (
            r#""dcv_approval_datetime":null,"is_pending_validation":"0",
            "dcv_expiration":{"dcv_approval_date":"2026-05-20T01:01:00-07:00"}"#,
            may,
            Some(false),
        ),
        (r#""dcv_approval_datetime":[],"is_pending_validation":1,"dcv_expiration":[]"#, None, Some(true)),
        (
            r#""is_pending_validation":{},"dcv_expiration":{"dcv_approval_date":"2026-05-20 01:01:00"}"#,
            None,
            None,
        ),
        (r#""is_pending_validation":"soon","dcv_expiration":{"dcv_approval_date":1779264060}"#, None, None),
        (r#""is_pending_validation":null,"dcv_expiration":"2026-05-20T08:01:00Z""#, None, None),
    ] {
        let item = format!(r#"{{"id":{DOMAIN},"name":"example.com",{fields}}}"#);
        let (_server, one) = always(json(200, &item)).await;
        let got = one.domain(DOMAIN).await.expect(fields);
        assert_eq!((got.approved, got.pending), (approved, pending), "{fields}");
        let (_server, all) = always(json(200, &format!(r#"{{"domains":[{item}]}}"#))).await;
        let got = all.domains(&DomainFilter::default()).await.expect(fields).remove(0);
        assert_eq!((got.approved, got.pending), (approved, pending), "{fields}");
    }
}

/// Protects the request: filters, paging, and the switch that gives dates in UTC.
#[tokio::test]
async fn domains_are_asked_for_as_documented() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/services/v2/domain"))
        .and(query_param("include_dcv_expiration_time", "true"))
        .and(query_param("container_id", "10"))
        .and(query_param("filters[dcv_method]", "dns-txt-token"))
        .and(query_param("filters[search]", "%example"))
        .and(query_param("filters[validation]", "ov_expiring_within_30_days"))
        .and(query_param("limit", "1000"))
        .and(query_param("offset", "0"))
        .respond_with(json(
            200,
            r#"{"domains":[{"id":1,"name":"a.example","is_active":true,"dcv_method":"dns-txt-token",
            "dcv_approval_datetime":"2026-05-20T08:01:00+00:00","container":{"id":10},
            "validations":[{"type":"ov","status":"active"}]},
            {"id":2,"name":"b.example","dcv_method":"email"},{"id":3,"name":"c.example","container":{"id":11}},
            {"id":4,"name":"d.example"},{"id":5},{"name":"e.example"}],"page":{"total":"6"}}"#,
        ))
        .expect(1)
        .mount(&server)
        .await;
    let filter = DomainFilter {
        method: Some(DcvMethod::DnsTxt),
        search: Some("example".to_owned()),
        validation: Some("ov_expiring_within_30_days".to_owned()),
        container_id: Some(10),
        page_size: 9999,
    };
    let got = client(&server).domains(&filter).await.expect("domains");
    assert_eq!(got.iter().map(|domain| domain.id.get()).collect::<Vec<_>>(), [1, 4], "also filtered by us");
    assert_eq!(got[0].approved, "2026-05-20T08:01:00Z".parse().ok());
}

/// Protects completeness: all pages are read although domains leave meanwhile; garbage is not "no domains".
#[tokio::test]
async fn all_pages_of_domains_are_read_although_they_shift() {
    let server = MockServer::start().await;
    let gone = std::sync::atomic::AtomicUsize::new(0);
    let respond = move |request: &Request| {
        // Seven leave in front of us before every page but the first: more than a page's overlap.
        let gone = gone.fetch_add(7, std::sync::atomic::Ordering::Relaxed).min(14);
        let offset = request.url.query_pairs().find(|(key, _)| key == "offset").expect("offset").1;
        let offset: usize = offset.parse().expect("offset");
        let rows: Vec<_> = (gone + 1..=60)
            .skip(offset)
            .take(20)
            .map(|id| format!(r#"{{"id":{id},"name":"d{id}"}}"#))
            .collect();
        json(
            200,
            &format!(r#"{{"domains":[{}],"page":{{"total":{},"limit":20}}}}"#, rows.join(","), 60 - gone),
        )
    };
    Mock::given(path("/services/v2/domain")).respond_with(respond).mount(&server).await;
    let filter = DomainFilter { page_size: 20, ..DomainFilter::default() };
    let got = client(&server).domains(&filter).await.expect("domains");
    let mut ids: Vec<_> = got.iter().map(|domain| domain.id.get()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=60).collect::<Vec<_>>());

    for body in ["", "<html>"] {
        let (_server, client) = always(json(200, body)).await;
        let error = client.domains(&DomainFilter::default()).await.expect_err(body);
        assert_eq!(error.class(), Class::Undecodable);
    }
}

/// Protects renewal: the submission names kinds and method, and its value is read.
#[tokio::test]
async fn a_domain_is_submitted() {
    let body = serde_json::json!({ "validations": [{ "type": "ov" }, { "type": "ev" }], "dcv_method": "dns-cname-token" });
    let answer = r#"{"id":9911,"dcv_token":{"token":"abc","status":"pending",
        "expiration_date":"2026-12-23T16:25:52Z","verification_value":"dcv.digicert.com"}}"#;
    let server = scripted("POST", "/domain/9911/validation", Some(body), answer).await;
    let got =
        client(&server).submit_domain(DOMAIN, &["ov", "ev"], &DcvMethod::DnsCname).await.expect("value");
    assert_eq!(
        (got.value.as_deref(), got.verification_value.as_deref()),
        (Some("abc"), Some("dcv.digicert.com"))
    );
    assert_eq!(got.expires, "2026-12-23T16:25:52Z".parse().ok());
}

/// Protects the one call that destroys something: it is a POST, sent exactly once, and its bare answer is read.
#[tokio::test]
async fn a_new_value_is_posted_for_once() {
    let answer =
        r#"{"token":"fresh","expiration_date":"2026-12-23T16:25:52+00:00","http_token_url":"http://a/b"}"#;
    let server = scripted("POST", "/domain/9911/dcv/token", Some(serde_json::json!({})), answer).await;
    let got = client(&server).new_domain_value(DOMAIN).await.expect("value");
    assert_eq!((got.value.as_deref(), got.http_token_url.as_deref()), (Some("fresh"), Some("http://a/b")));

    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).expect(1).mount(&server).await;
    assert_eq!(client(&server).new_domain_value(DOMAIN).await.expect_err("503").class(), Class::Transient);
}

/// Protects a change of method: its documented answers are `{}` and a value; clients saw an empty one.
#[tokio::test]
async fn the_method_of_a_domain_is_changed() {
    let body = serde_json::json!({ "dcv_method": "http-token" });
    for (answer, value) in [
        (r#"{"dcv_token":{"token":"abc","status":"pending"}}"#, Some("abc")),
        (r#"{"token":"abc"}"#, Some("abc")),
        (r#"{"dcv_token":null}"#, None),
        ("{}", None),
        ("[]", None),
        ("", None),
    ] {
        let server = scripted("PUT", "/domain/9911/dcv/method", Some(body.clone()), answer).await;
        let got = client(&server).change_domain_method(DOMAIN, &DcvMethod::Http).await.expect(answer);
        assert_eq!(got.value.as_deref(), value, "{answer}");
    }
}

async fn values(status: u16, body: &str) -> [Result<DomainValue, Error>; 3] {
    let (_server, client) = always(json(status, body)).await;
    [
        client.submit_domain(DOMAIN, &["ov"], &DcvMethod::DnsTxt).await,
        client.new_domain_value(DOMAIN).await,
        client.change_domain_method(DOMAIN, &DcvMethod::DnsTxt).await,
    ]
}

/// Protects DNS and operators: values unfit for DNS and methods without a value are told apart from each other.
#[tokio::test]
async fn calls_for_a_value_fail_by_class() {
    let no_value = r#"{"errors":[{"code":"invalid_dcv_method","message":"m"}]}"#;
    for (status, body, class) in [
        (200, r#"{"dcv_token":{"token":"two words"}}"#, Class::Undecodable),
        (200, r#"{"token":"two words"}"#, Class::Undecodable),
        (200, "<html>", Class::Undecodable),
        (400, no_value, Class::Misconfigured),
        (400, r#"{"errors":[{"code":"odd"}]}"#, Class::NotYet),
        (403, r#"{"errors":[{"code":"access_denied|missing_permission"}]}"#, Class::MissingPermission),
        (404, r#"{"errors":[{"code":"not_found|domain"}]}"#, Class::NotFound),
        (500, "", Class::Transient),
    ] {
        for got in values(status, body).await {
            assert_eq!(got.expect_err(body).class(), class, "{body}");
        }
    }
    for got in values(200, r#"{"dcv_token":{"token":"abc","expiration_date":"soon"}}"#).await {
        let got = got.expect("a value without a legible expiry is still a value");
        assert_eq!((got.expires, got.expires_raw.as_deref()), (None, Some("soon")));
    }
}

async fn check(status: u16, body: &str) -> Result<DomainCheck, Error> {
    let (_server, client) = always(json(status, body)).await;
    client.check_domain(DOMAIN).await
}

/// Protects the check: what it sends, and that each form of a success is one.
#[tokio::test]
async fn a_check_that_succeeds_is_validated_however_little_it_says() {
    let server = scripted("PUT", "/domain/9911/dcv/validate-token", None, "").await;
    assert_eq!(client(&server).check_domain(DOMAIN).await.expect("empty").outcome, CheckOutcome::Validated);
    for body in
        ["", "{}", "[]", r#"{"token":"abc","status":"active"}"#, r#"{"token":7}"#, r#"{"status":"splendid"}"#]
    {
        assert_eq!(check(200, body).await.expect(body).outcome, CheckOutcome::Validated, "{body}");
    }
    assert_eq!(check(204, "").await.expect("204").outcome, CheckOutcome::Validated);
    let got = check(200, r#"{"token":"abc","status":"active"}"#).await.expect("documented");
    assert_eq!((got.value.as_deref(), got.status.as_deref()), (Some("abc"), Some("active")));
}

/// Protects patience: a miss in any of its forms is an observation; what waiting cannot cure is an error.
#[tokio::test]
async fn a_check_that_misses_is_not_yet_and_a_wrong_method_is_an_error() {
    for (status, body, expected) in [
        (
            400,
            r#"{"errors":[{"code":"invalid_dns_txt","message":"Could not find."}]}"#,
            "invalid_dns_txt: Could not",
        ),
        (400, r#"{"errors":[{"code":"file_random_value_not_found"}]}"#, "file_random_value_not_found"),
        (400, r#"{"errors":[{"code":"cname_thing"}]}"#, "cname_thing"),
        (400, "", "HTTP 400"),
        (200, r#"{"token":"abc","status":"pending"}"#, "pending"),
    ] {
        match check(status, body).await.expect(body).outcome {
            CheckOutcome::NotYet { reason } => assert!(reason.contains(expected), "{body}: {reason}"),
            CheckOutcome::Validated => panic!("{body}"),
        }
    }
    for (status, body, class) in [
        (400, r#"{"errors":[{"code":"invalid_dcv_method"}]}"#, Class::Misconfigured),
        (200, "<html>", Class::Undecodable),
        (404, r#"{"errors":[{"code":"not_found"}]}"#, Class::NotFound),
        (429, "", Class::Throttled),
    ] {
        assert_eq!(check(status, body).await.expect_err(body).class(), class, "{body}");
    }
}
