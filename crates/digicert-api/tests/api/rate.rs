//! The rate, as a server sees it, in real time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use digicert_api::{OrderId, Window};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request};

use crate::support::{ORDER, builder, json};

/// Protects the account over a real connection: no window of the server sees a call too many, and little of
/// the allowance is wasted.
#[tokio::test]
async fn the_server_never_sees_a_call_too_many() {
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let server = MockServer::start().await;
    let log = Arc::clone(&arrivals);
    let respond = move |_: &Request| {
        log.lock().expect("log").push(Instant::now());
        json(200, r#"{"status":"pending"}"#)
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    let windows =
        [(5, 200), (20, 1500)].map(|(calls, per)| Window { calls, per: Duration::from_millis(per) });
    let client = builder(&server.uri()).rate(windows.to_vec()).build().expect("client");

    let calls: Vec<_> = (0..60)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.order(ORDER).await })
        })
        .collect();
    for call in calls {
        call.await.expect("task").expect("order");
    }

    let arrivals = arrivals.lock().expect("log");
    for window in windows {
        let crowded =
            arrivals.windows(window.calls as usize + 1).any(|run| run[run.len() - 1] - run[0] < window.per);
        assert!(!crowded, "more than {window:?}");
    }
    // 60 calls at 20 in 1.5 s: two full windows and 0.6 s. Generous, as this clock is real and machines are
    // busy; the exact share is tested under a paused clock.
    let took = arrivals[arrivals.len() - 1] - arrivals[0];
    assert!(took < Duration::from_secs(8), "took {took:?}");
    let load = client.load();
    assert_eq!((load.calls, load.windows.len()), (60, 2));
    for (window, used) in windows.iter().zip(&load.windows) {
        assert_eq!((used.calls, used.per), (window.calls, window.per));
        assert!(used.used <= used.calls);
    }
    assert!(load.windows[1].used >= 1, "the last call was answered a moment ago");
}

/// Protects urgent orders: among calls that wait, the one with the earliest deadline goes first.
#[tokio::test]
async fn urgent_calls_go_first() {
    let server = MockServer::start().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let respond = move |request: &Request| {
        log.lock().expect("log").push(request.url.path().rsplit('/').next().unwrap_or_default().to_owned());
        json(200, r#"{"status":"pending"}"#)
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    let windows = vec![Window { calls: 1, per: Duration::from_millis(400) }];
    let client = builder(&server.uri()).rate(windows).build().expect("client");
    client.order(OrderId::new(1)).await.expect("first");

    let now = tokio::time::Instant::now();
    let urgent = client.with_deadline(now + Duration::from_secs(1));
    let relaxed = client.with_deadline(now + Duration::from_secs(60));
    let (whenever, late, soon) = tokio::join!(
        client.order(OrderId::new(2)),
        relaxed.order(OrderId::new(3)),
        urgent.order(OrderId::new(4))
    );
    assert!(whenever.is_ok() && late.is_ok() && soon.is_ok());
    assert_eq!(*seen.lock().expect("log"), ["1", "4", "3", "2"]);
}
