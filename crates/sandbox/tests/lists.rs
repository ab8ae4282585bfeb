//! Lists that change while they are read.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod support;

use dcv_sandbox::ca::{DomainSpec, ListShift, OrderSpec, Profile};
use support::{Client, ca};

/// The ids on the page of two rows at this offset, and the total.
async fn page(client: &Client, path: &str, rows: &str, offset: usize) -> (Vec<u64>, u64) {
    let (status, body) = client.get(&format!("{path}limit=2&offset={offset}")).await;
    assert_eq!(status, 200);
    let ids = body[rows].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap());
    (ids.collect(), body["page"]["total"].as_u64().unwrap())
}

const ORDERS: &str = "/order/certificate?filters[status]=pending&sort=%2Bdate_created&";

#[tokio::test]
async fn a_growing_list_repeats_rows() {
    let ca = ca(Profile { list_shift: ListShift::Grows, ..Profile::default() }).await;
    let client = Client::new(&ca);
    let orders = ca.place_many(&OrderSpec::dv(["a{n}.example.com"]), 4);
    assert_eq!(page(&client, ORDERS, "orders", 0).await, (vec![orders[3], orders[2]], 4), "newest first");
    assert_eq!(page(&client, ORDERS, "orders", 2).await, (vec![orders[2], orders[1]], 5));
    assert_eq!(page(&client, ORDERS, "orders", 4).await, (vec![orders[1], orders[0]], 6));
    assert_eq!(page(&client, ORDERS, "orders", 0).await.1, 6, "the first page is read in peace");

    let domains = ["a", "b", "c"].map(|name| ca.place_domain(DomainSpec::new(format!("{name}.example.com"))));
    assert_eq!(page(&client, "/domain?", "domains", 0).await, (vec![domains[2], domains[1]], 3));
    assert_eq!(page(&client, "/domain?", "domains", 2).await, (vec![domains[1], domains[0]], 4));
    ca.shutdown().await;
}

#[tokio::test]
async fn a_shrinking_list_hides_rows() {
    let ca = ca(Profile { list_shift: ListShift::Shrinks, ..Profile::default() }).await;
    let client = Client::new(&ca);
    let orders = ca.place_many(&OrderSpec::dv(["a{n}.example.com"]), 5);
    assert_eq!(page(&client, ORDERS, "orders", 0).await, (orders[..2].to_vec(), 5));
    assert_eq!(page(&client, ORDERS, "orders", 2).await, (orders[3..].to_vec(), 4), "one was never shown");
    assert_eq!(ca.order_status(orders[0]).as_deref(), Some("issued"));

    let domains = ["a", "b", "c"].map(|name| ca.place_domain(DomainSpec::new(format!("{name}.example.com"))));
    assert_eq!(page(&client, "/domain?", "domains", 0).await, (domains[..2].to_vec(), 3));
    assert_eq!(page(&client, "/domain?", "domains", 2).await, (vec![], 2));
    assert!(ca.domain(domains[0]).is_none());

    ca.alter_profile(|profile| profile.list_shift = ListShift::Still);
    assert_eq!(page(&client, ORDERS, "orders", 2).await, (orders[3..].to_vec(), 4));
    ca.shutdown().await;
}
