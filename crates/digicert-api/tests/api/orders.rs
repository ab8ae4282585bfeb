//! Order info, lists, status changes, and whose key it is.

use std::time::Duration;

use digicert_api::{Class, Error, Order, OrderFilter, OrderStatus};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{ORDER, always, client, json};

async fn order(body: &str) -> Result<Order, Error> {
    let (_server, client) = always(json(200, body)).await;
    client.order(ORDER).await
}

/// Protects the documented answer, blanks among the names and all.
#[tokio::test]
async fn an_order_is_read() {
    let body = r#"{ "id": 112233, "status": "issued", "date_created": "2026-11-20T09:12:44+00:00",
        "dcv_method": "dns-txt-token", "certificate": { "id": "445566", "common_name": "www.example.com",
        "dns_names": ["www.example.com", " ", "example.com"], "valid_till": "2027-06-05" },
        "organization": { "is_active": "1" }, "container": null,
        "product": { "name_id": "ssl_basic", "name": "Basic OV", "validation_type": "ov" } }"#;
    let got = order(body).await.expect("order");
    assert_eq!((got.id, &got.status, got.certificate_id), (ORDER, &OrderStatus::Issued, Some(445_566)));
    assert_eq!(got.names, ["www.example.com", "example.com"]);
    assert_eq!(got.dcv_method.as_deref(), Some("dns-txt-token"));
    assert_eq!(got.validation_type.as_deref(), Some("ov"));
    assert_eq!(got.product.as_deref(), Some("ssl_basic"));
    assert_eq!(got.date_created, "2026-11-20T09:12:44Z".parse().ok());
    assert_eq!(got.valid_till, "2027-06-05".parse().ok());
}

/// Protects against thin and odd answers: the status is enough, and an unknown one is kept.
#[tokio::test]
async fn a_thin_order_is_read() {
    let got = order(r#"{"id":"112233","status":"levitating","certificate":null,"product":"x"}"#)
        .await
        .expect("thin");
    assert_eq!(got.status.as_str(), "levitating");
    assert!(got.names.is_empty() && got.dcv_method.is_none() && got.valid_till.is_none());
}

/// Protects decisions: no status, or another order's, is nothing to decide upon.
#[tokio::test]
async fn an_order_without_status_or_of_another_number_is_undecodable() {
    for body in ["", "{}", r#"{"id":112233}"#, r#"{"id":5,"status":"pending"}"#, "null", "<html>"] {
        assert_eq!(order(body).await.expect_err(body).class(), Class::Undecodable);
    }
}

/// Protects the words: every documented status survives the way there and back.
#[test]
fn every_status_is_its_word() {
    for word in "pending reissue_pending processing needs_approval needs_csr waiting_pickup approved submitted issued \
                 rejected canceled revoked expired"
        .split(' ')
    {
        let status = OrderStatus::from(word);
        assert!(!matches!(status, OrderStatus::Unknown(_)), "{word}");
        assert_eq!(status.to_string(), word);
    }
    assert_eq!(OrderStatus::from("Issued "), OrderStatus::Issued);
}

/// A CA with these order numbers and statuses; it obeys offset and limit, and `shift` may change the list
/// before the n-th page is cut.
async fn list_of(
    rows: Vec<(u64, &'static str)>,
    shift: fn(&mut Vec<(u64, &'static str)>, usize),
    total: bool,
) -> MockServer {
    let server = MockServer::start().await;
    let state = std::sync::Mutex::new((rows, 0));
    let respond = move |request: &Request| {
        let mut state = state.lock().expect("state");
        let (rows, page) = &mut *state;
        shift(rows, *page);
        *page += 1;
        let number = |name: &str| -> usize {
            let found = request.url.query_pairs().find(|(key, _)| key == name);
            found.expect(name).1.parse().expect(name)
        };
        let (offset, limit) = (number("offset"), number("limit"));
        let cut: Vec<_> = rows
            .iter()
            .skip(offset)
            .take(limit)
            .map(|(id, status)| format!(r#"{{"id":{id},"status":"{status}"}}"#))
            .collect();
        let total = if total { format!(r#""total":"{}","#, rows.len()) } else { String::new() };
        let body = format!(r#"{{"orders":[{}],"page":{{{total}"limit":{limit}}}}}"#, cut.join(","));
        json(200, &body)
    };
    Mock::given(method("GET"))
        .and(path("/services/v2/order/certificate"))
        .respond_with(respond)
        .mount(&server)
        .await;
    server
}

fn pending(page_size: u32) -> OrderFilter {
    OrderFilter { page_size, ..OrderFilter::statuses([OrderStatus::Pending, OrderStatus::ReissuePending]) }
}

async fn ids(server: &MockServer, filter: &OrderFilter) -> Vec<u64> {
    let mut ids: Vec<_> =
        client(server).orders(filter).await.expect("orders").iter().map(|order| order.id.get()).collect();
    ids.sort_unstable();
    ids
}

/// Protects the request: filters, sort, limit and offset are sent as documented.
#[tokio::test]
async fn a_list_is_asked_for_as_documented() {
    let server = MockServer::start().await;
    Mock::given(query_param("filters[status][0]", "pending"))
        .and(query_param("filters[status][1]", "reissue_pending"))
        .and(query_param("filters[search]", "%example"))
        .and(query_param("sort", "-date_created"))
        .and(query_param("limit", "1000"))
        .and(query_param("offset", "3"))
        .respond_with(json(
            200,
            r#"{"orders":[{"id":1,"status":"pending","certificate":{"common_name":"a","dns_names":["a"]}}],
            "page":{"total":4,"limit":1000,"offset":3}}"#,
        ))
        .expect(1)
        .mount(&server)
        .await;
    let filter = OrderFilter { search: Some("example".to_owned()), ..pending(5000) };
    let page = client(&server).orders_page(&filter, 3).await.expect("page");
    assert_eq!((page.rows, page.total, page.orders[0].names.as_slice()), (1, Some(4), &["a".to_owned()][..]));
}

/// Protects completeness: all pages are read, with and without a total in the answer, and each order once.
#[tokio::test]
async fn all_pages_are_read() {
    for total in [true, false] {
        let server = list_of((1..=95).map(|id| (id, "pending")).collect(), |_, _| {}, total).await;
        assert_eq!(ids(&server, &pending(20)).await, (1..=95).collect::<Vec<_>>());
    }
}

/// Protects against a CA that ignores the status filter: what was not asked for is dropped by us.
#[tokio::test]
async fn a_filter_that_the_ca_ignores_is_applied_by_us() {
    let rows = (1..=50).map(|id| (id, if id % 10 == 0 { "reissue_pending" } else { "issued" })).collect();
    let server = list_of(rows, |_, _| {}, true).await;
    assert_eq!(ids(&server, &pending(20)).await, [10, 20, 30, 40, 50]);
}

/// Protects against lists that move while being read: newcomers make no doubles, leavers hide nobody.
#[tokio::test]
async fn pages_may_shift_while_being_read() {
    let rows: Vec<_> = (1..=100).map(|id| (id, "pending")).collect();
    let newcomers =
        list_of(rows.clone(), |rows, page| rows.insert(0, (1000 + page as u64, "pending")), true).await;
    let got = ids(&newcomers, &pending(20)).await;
    assert!((1..=100).all(|id| got.contains(&id)));
    assert!(got.windows(2).all(|pair| pair[0] != pair[1]), "doubles: {got:?}");

    let leavers = |rows: &mut Vec<(u64, &'static str)>, page: usize| {
        if page > 0 {
            rows.remove(0);
            rows.remove(0);
        }
    };
    let server = list_of(rows, leavers, true).await;
    assert_eq!(ids(&server, &pending(20)).await, (1..=100).collect::<Vec<_>>());
}

/// Protects discovery: a whole page's worth of orders leaves between two pages, and none that stays is missed.
#[tokio::test]
async fn many_orders_may_leave_while_the_list_is_read() {
    for total in [true, false] {
        let leavers = |rows: &mut Vec<(u64, &'static str)>, page: usize| {
            if page == 1 {
                rows.drain(..19);
            }
        };
        let server = list_of((1..=100).map(|id| (id, "pending")).collect(), leavers, total).await;
        assert_eq!(ids(&server, &pending(20)).await, (1..=100).collect::<Vec<_>>());
    }
}

/// Protects the rate: a list without an end is given up as a whole, not passed off as complete.
#[tokio::test]
async fn a_list_without_an_end_is_undecodable() {
    let endless = |rows: &mut Vec<(u64, &'static str)>, page: usize| {
        let first = 10 * page as u64;
        rows.extend((first + 1..=first + 10).map(|id| (id, "pending")));
    };
    let server = list_of(Vec::new(), endless, false).await;
    let client = crate::support::builder(&format!("{}/services/v2", server.uri()));
    let client = client
        .rate(vec![digicert_api::Window { calls: 10_000, per: Duration::from_secs(5) }])
        .build()
        .expect("client");
    let error = client.orders(&pending(5)).await.expect_err("endless");
    assert_eq!(error.class(), Class::Undecodable);
}

/// Protects discovery: what a row says beyond number and status is kept.
#[tokio::test]
async fn a_row_is_read_in_full() {
    let body = r#"{"orders":[{"id":"1","status":"issued","date_created":"2026-11-20T09:12:44Z",
        "dcv_method":"dns-txt-token","certificate":{"id":4,"common_name":"a","dns_names":["a"," "],
        "date_issued":"2026-11-21T09:12:44Z","valid_till":"2027-06-05"},"organization":{"id":7788},
        "container":{"id":"10"},"product":{"name_id":"ssl_basic","validation_type":"ov"}}]}"#;
    let (_server, client) = always(json(200, body)).await;
    let got = client.orders(&OrderFilter::default()).await.expect("orders").remove(0);
    assert_eq!((got.certificate_id, got.organization_id, got.container_id), (Some(4), Some(7788), Some(10)));
    assert_eq!(
        (got.dcv_method.as_deref(), got.validation_type.as_deref()),
        (Some("dns-txt-token"), Some("ov"))
    );
    assert_eq!(got.date_issued, "2026-11-21T09:12:44Z".parse().ok());
    assert_eq!(got.valid_till, "2027-06-05".parse().ok());
}

/// Protects the roster: an empty list is empty, odd rows are skipped, and garbage is not "no orders".
#[tokio::test]
async fn an_empty_list_differs_from_garbage() {
    for (body, count) in [
        (r#"{"orders":[],"page":{"total":0}}"#, 0),
        ("{}", 0),
        (r#"{"orders":[{"id":"7","status":"pending"},{"status":"pending"},null,{"id":8}],"page":null}"#, 1),
    ] {
        let (_server, client) = always(json(200, body)).await;
        assert_eq!(client.orders(&pending(1000)).await.expect(body).len(), count);
    }
    for body in ["", "id,status\n1,pending\n", "<html>"] {
        let (_server, client) = always(ResponseTemplate::new(200).set_body_raw(body, "text/csv")).await;
        assert_eq!(client.orders(&pending(1000)).await.expect_err(body).class(), Class::Undecodable);
    }
}

/// Protects the cheap poll: the window is in minutes, rounded up, and never above seven days.
#[tokio::test]
async fn status_changes_are_asked_for_within_bounds() {
    for (seconds, minutes) in [(0, "1"), (60, "1"), (61, "2"), (3600, "60"), (30 * 86_400, "10080")] {
        let server = MockServer::start().await;
        Mock::given(path("/services/v2/order/certificate/status-changes"))
            .and(query_param("minutes", minutes))
            .respond_with(json(
                200,
                r#"{"orders":[{"order_id":112233,"certificate_id":4,"status":"issued"}]}"#,
            ))
            .expect(1)
            .mount(&server)
            .await;
        let got = client(&server).status_changes(Duration::from_secs(seconds)).await.expect(minutes);
        assert_eq!(
            (got[0].order_id, got[0].certificate_id, &got[0].status),
            (ORDER, Some(4), &OrderStatus::Issued)
        );
    }
}

/// Protects the quiet case: no change comes as `{}`, as nothing, or with rows that say nothing.
#[tokio::test]
async fn no_status_changes_are_no_error() {
    for body in ["{}", "", "[]", r#"{"orders":null}"#, r#"{"orders":[{"order_id":1},{"status":"issued"}]}"#] {
        let (_server, client) = always(json(200, body)).await;
        assert_eq!(client.status_changes(Duration::from_secs(60)).await.expect(body), []);
    }
}

/// Protects the doctor: the user behind the key, and an error where none is named.
#[tokio::test]
async fn the_user_behind_the_key_is_read() {
    let body = r#"{"id":"12","username":"dcv","account":{"id":99},"status":"active",
        "access_roles":[{"id":5,"name":"Standard user"},{"id":6}]}"#;
    let (_server, client) = always(json(200, body)).await;
    let user = client.me().await.expect("user");
    assert_eq!(
        (user.id, user.account_id, user.roles),
        (Some(12), Some(99), vec!["Standard user".to_owned()])
    );
    let (_server, client) = always(json(200, "{}")).await;
    assert_eq!(client.me().await.expect_err("nobody").class(), Class::Undecodable);
}
