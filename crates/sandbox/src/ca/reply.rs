//! Replies and refusals in the documented shapes.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::switches::IdTypes;

/// What a call comes to.
pub(super) type Answer = Result<Reply, Refusal>;

/// A successful reply.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    body: Option<Value>,
}

impl Reply {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body) }
    }

    pub(super) fn created(body: Value) -> Self {
        Self { status: StatusCode::CREATED, body: Some(body) }
    }

    pub(super) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: None }
    }

    /// 200 without a body.
    pub(super) fn empty() -> Self {
        Self { status: StatusCode::OK, body: None }
    }

    pub(super) fn render(self, ids: IdTypes) -> Response {
        match self.body {
            None => self.status.into_response(),
            Some(mut body) => {
                retype(&mut body, ids);
                (self.status, Json(body)).into_response()
            }
        }
    }
}

/// An error reply: one entry of the envelope `{"errors": [{"code", "message"}]}`.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message, retry_after: None }
    }

    pub(super) fn bad_request(code: &'static str, message: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn no_such_order() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found|order", "The specified order could not be found.")
    }

    pub(super) fn no_such_domain() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found|domain", "The specified domain could not be found.")
    }

    pub(super) fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found|route", "The specified route was not found.")
    }

    pub(super) fn too_many_requests(retry_after: Option<u64>) -> Self {
        let message = "Service unavailable, please limit request volume";
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "request_limit_exceeded", message);
        Self { retry_after, ..refusal }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "errors": [{ "code": self.code, "message": self.message }] });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Rewrites every id in a reply to the wanted JSON type.
fn retype(value: &mut Value, ids: IdTypes) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_id = name == "id" || (name.ends_with("_id") && name != "name_id");
                match (ids, &*value) {
                    (IdTypes::Strings, Value::Number(number)) if is_id => *value = number.to_string().into(),
                    (IdTypes::Numbers, Value::String(text)) if is_id => {
                        if let Ok(number) = text.parse::<u64>() {
                            *value = number.into();
                        }
                    }
                    _ => retype(value, ids),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| retype(item, ids)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_change_their_type_and_nothing_else_does() {
        let reply = json!({ "order_id": "7", "n": 3, "list": [{ "id": 8, "name_id": "9", "t": "4" }] });
        let retyped = |ids| {
            let mut value = reply.clone();
            retype(&mut value, ids);
            value
        };
        assert_eq!(retyped(IdTypes::Documented), reply);
        assert_eq!(
            retyped(IdTypes::Numbers),
            json!({ "order_id": 7, "n": 3, "list": [{ "id": 8, "name_id": "9", "t": "4" }] })
        );
        assert_eq!(
            retyped(IdTypes::Strings),
            json!({ "order_id": "7", "n": 3, "list": [{ "id": "8", "name_id": "9", "t": "4" }] })
        );
    }
}
