//! The example is the documentation of every key: it has to load.

use std::path::Path;

use dcv_agent::config;
use dcv_core::Owner;

#[test]
fn the_example_loads_and_means_what_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config.example.toml");
    let config = config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.accounts["main"].orders.len(), 2);
    assert_eq!(config.providers.len(), 9);
    let (provider, zone) = config.route(&"_dnsauth.www.example.org".parse().unwrap()).unwrap();
    assert_eq!((provider, zone.id.as_deref()), ("aws", Some("Z0123456789ABCDEFGHIJ")));
    assert!(config.route(&"example.edu".parse().unwrap()).is_none());
    let way = |host: &str| config.http.routes.of(&host.parse().unwrap()).map(|route| route.to_string());
    assert_eq!(way("api.example.com").as_deref(), Some("the agent's responder"));
    assert_eq!(way("www.example.com").as_deref(), Some("the document root /var/www/html"));
    assert_eq!(way("example.org"), None);
    let owners: Vec<_> = config.providers["corp-bind"].owners.values().collect();
    assert_eq!(owners, [&Owner::Dnsauth, &Owner::Both]);
}
