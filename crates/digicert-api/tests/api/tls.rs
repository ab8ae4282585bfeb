//! TLS: whom we trust, and what happens to others.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use digicert_api::{Class, OrderStatus};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{ORDER, builder, chain};

/// An HTTPS server whose certificate is good for `localhost`; returns its address and its CA in PEM.
fn serve() -> (String, Vec<u8>) {
    let mut params = CertificateParams::new(Vec::new()).expect("params");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("key")).expect("CA");
    let key = KeyPair::generate().expect("key");
    let names = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
    let certificate = names.signed_by(&key, &ca).expect("certificate");

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("config");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("connection");
            let mut stream = StreamOwned::new(connection, stream);
            let body = r#"{"status":"pending"}"#;
            // A client that does not trust us hangs up during the handshake.
            if stream.read(&mut [0; 4096]).is_ok() {
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                )
                .ok();
                stream.conn.send_close_notify();
                stream.flush().ok();
            }
        }
    });
    (format!("https://localhost:{port}/services/v2"), ca.pem().into_bytes())
}

/// Protects the key: a server that nobody vouches for never gets it; with its CA named, it does.
#[tokio::test]
async fn an_unknown_ca_is_refused_unless_named() {
    let (base, ca) = serve();
    let stranger = builder(&base).build().expect("client").order(ORDER).await.expect_err("stranger");
    assert_eq!((stranger.class(), stranger.label()), (Class::Transient, "connect"));
    assert!(
        chain(&stranger).to_lowercase().contains("certificate"),
        "the cause is kept: {}",
        chain(&stranger)
    );

    let friend = builder(&base).ca_file_pem(ca.clone()).build().expect("client");
    assert_eq!(friend.order(ORDER).await.expect("order").status, OrderStatus::Pending);

    let misnamed = builder(&base.replace("localhost", "127.0.0.1")).ca_file_pem(ca).build().expect("client");
    assert_eq!(misnamed.order(ORDER).await.expect_err("name").label(), "connect");
}
