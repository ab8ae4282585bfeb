//! What of an answer is not as known, headers included, and what is kept of it.

use digicert_api::Reading;
use wiremock::ResponseTemplate;

use crate::support::{ORDER, always, json};

async fn surprises(response: ResponseTemplate, reading: Reading) -> Vec<(String, bool)> {
    let (_server, client) = always(response).await;
    let survey = client.survey(reading).await.expect("an answer");
    survey
        .surprises
        .into_iter()
        .map(|surprise| (format!("{}: {}", surprise.path, surprise.what), surprise.matters))
        .collect()
}

/// Protects a report from missing what is new: fields, kinds, words, what is absent, and headers; limits above all.
#[tokio::test]
async fn what_is_new_is_named_with_its_weight() {
    let body = r#"{"id":1,"status":"quantum","dcv_method":7,"certificate":{"dns_names":["a.example"]},"brand_new":{"deep":1}}"#;
    let response =
        json(200, body).insert_header("x-ratelimit-remaining", "99").insert_header("x-new", "hunter2");
    let told = surprises(response, Reading::Order(ORDER)).await;
    let expected = [
        ("brand_new: not known: an object", false),
        ("dcv_method: a number where a word was expected", true),
        ("status: the word \"quantum\" is not known", true),
        ("header x-new: not known", false),
        ("header x-ratelimit-remaining: not known", true),
    ];
    for (what, matters) in expected {
        assert!(told.contains(&(what.to_owned(), matters)), "{what} is not in {told:?}");
    }
    assert_eq!(told.len(), expected.len(), "{told:?}");

    let told =
        surprises(json(200, r#"{"orders":[{"id":1},{"id":2,"status":"pending"}]}"#), Reading::Orders).await;
    assert_eq!(told, [("orders[].status: absent in 1 of 2".to_owned(), true)]);
}

/// Protects whoever shows a shape to others: no value is in it, whatever field or key it stands in.
#[tokio::test]
async fn a_shape_holds_nobodys_values() {
    let body = r#"{"id":424242,"status":"pending","certificate":{"common_name":"host-canary.example","dns_names":["san-canary.example"]},
        "host-key-canary.example":"x","notes":[{"text":"note canary"},{"when":"2026-11-26T00:00:00Z","n":1.5}],"requests":[]}"#;
    let (_server, client) = always(json(200, body)).await;
    let shape = client.survey(Reading::Order(ORDER)).await.expect("an answer").shape.to_string();
    for canary in ["424242", "canary", "2026-11", "1.5"] {
        assert!(!shape.contains(canary), "{canary} is in {shape}");
    }
    for kept in [r#""status":"\"pending\"""#, "common_name", "a point in time"] {
        assert!(shape.contains(kept), "{kept} is not in {shape}");
    }
}
