//! Prints where an order stands and what it still has to prove.
//!
//! `cargo run -p digicert-api --example order_status -- <base URL> <file with the API key> <order>`
//!
//! The base URL may be `us`, `eu`, or that of a simulator, such as `http://127.0.0.1:8080/services/v2`.

use std::error::Error;
use std::io::Write;

use digicert_api::{Client, EU, OrderId, US};
use secrecy::SecretString;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [base, key_file, order] = arguments.as_slice() else {
        return Err("usage: order_status <us | eu | base URL> <file with the API key> <order>".into());
    };
    let base = match base.as_str() {
        "us" => US,
        "eu" => EU,
        other => other,
    };
    let client = Client::builder(base.parse()?)
        .key(SecretString::from(std::fs::read_to_string(key_file)?))
        .allow_http_on_loopback(true)
        .build()?;
    show(&client, order.parse()?).await.map_err(|error| {
        let hint = error.hint().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
        format!("{error}{hint}").into()
    })
}

async fn show(client: &Client, order: OrderId) -> Result<(), digicert_api::Error> {
    let mut out = std::io::stdout().lock();
    let found = client.order(order).await?;
    let method = found.dcv_method.as_deref().unwrap_or("method unknown");
    writeln!(out, "order {order}: {}, {method}", found.status).ok();
    for name in client.order_validation(order).await?.names {
        writeln!(out, "  {}: {} (for {})", name.scope, name.status, name.dns_names.join(", ")).ok();
    }
    Ok(())
}
