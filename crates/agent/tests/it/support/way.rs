//! A way over TCP that can be cut, and that can swallow what is sent as a dead link does.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What the way does with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// They go through.
    Whole,
    /// Connections end, and new ones too.
    Cut,
    /// Nothing goes through, and nobody is told.
    Dead,
}

/// A way to a server.
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    link: watch::Sender<Link>,
}

impl Way {
    pub(crate) async fn to(end: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (link, state) = watch::channel(Link::Whole);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(lead(near, end, state.clone()));
            }
        });
        Self { address, link }
    }

    pub(crate) fn set(&self, link: Link) {
        let _ = self.link.send(link);
    }
}

async fn lead(near: TcpStream, end: SocketAddr, mut state: watch::Receiver<Link>) {
    if *state.borrow_and_update() == Link::Cut {
        return;
    }
    let Ok(far) = TcpStream::connect(end).await else { return };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = pass(near_in, far_out, state.clone()) => {}
        () = pass(far_in, near_out, state.clone()) => {}
        _ = state.wait_for(|link| *link == Link::Cut) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<Link>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if state.wait_for(|link| *link != Link::Dead).await.is_err() {
            return;
        }
        let Some(sent) = bytes.get(..count) else { return };
        if to.write_all(sent).await.is_err() {
            return;
        }
    }
}
