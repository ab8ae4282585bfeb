//! One question to one server: UDP first, TCP when the answer is cut off or does not come.

use std::{net::SocketAddr, time::Duration};

use dcv_core::{Answer, DomainName};
use hickory_net::{
    NetError,
    runtime::TokioRuntimeProvider,
    tcp::TcpClientStream,
    udp::UdpClientStream,
    xfer::{DnsExchange, DnsHandle, FirstAnswer},
};
use hickory_proto::{
    op::{DnsRequestOptions, DnsResponse, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};

/// With the resends every 333 ms that hickory makes inside it.
const UDP_TIMEOUT: Duration = Duration::from_millis(1500);
const TCP_TIMEOUT: Duration = Duration::from_secs(3);
/// Records that are read of one answer; an honest one holds a handful.
const MAX_RECORDS: usize = 500;

/// Asks authoritative servers, without recursion.
#[derive(Clone)]
pub(super) struct Asker {
    /// Drives the TCP connections; dropping it would end them.
    runtime: TokioRuntimeProvider,
}

impl Asker {
    pub(super) fn new() -> Self {
        Self { runtime: TokioRuntimeProvider::default() }
    }

    pub(super) async fn ask(
        &self,
        server: SocketAddr,
        name: &Name,
        kind: RecordType,
    ) -> Result<DnsResponse, NetError> {
        let query = Query::query(name.clone(), kind);
        let mut options = DnsRequestOptions::default();
        options.recursion_desired = false;
        let udp: DnsExchange<TokioRuntimeProvider> =
            UdpClientStream::builder(server, self.runtime.clone()).with_timeout(Some(UDP_TIMEOUT)).exchange();
        if let Ok(response) = udp.lookup(query.clone(), options).first_answer().await
            && !response.truncation
        {
            return Ok(response);
        }
        let tcp: DnsExchange<TokioRuntimeProvider> =
            TcpClientStream::exchange(server, None, TCP_TIMEOUT, None, self.runtime.clone()).await?;
        tcp.lookup(query, options).first_answer().await
    }

    /// What the server holds at the owner name: texts, or an alias.
    pub(super) async fn texts(&self, server: SocketAddr, owner: &DomainName) -> Answer {
        let Ok(name) = wire_name(owner) else { return Answer::Failed("the name cannot be asked for".into()) };
        let response = match self.ask(server, &name, RecordType::TXT).await {
            Ok(response) => response,
            Err(NetError::Timeout) => return Answer::Failed("no answer over UDP and TCP".into()),
            Err(error) => return Answer::Failed(error.to_string()),
        };
        match response.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain if response.authoritative => {}
            ResponseCode::NoError | ResponseCode::NXDomain => {
                return Answer::Failed("does not serve the zone (no authoritative answer)".into());
            }
            code => return Answer::Failed(code.to_string()),
        }
        let mut texts = Vec::new();
        for record in response.answers.iter().take(MAX_RECORDS).filter(|record| record.name == name) {
            match &record.data {
                RData::TXT(txt) => texts.push(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
                RData::CNAME(target) => {
                    return match target.0.to_ascii().parse() {
                        Ok(target) => Answer::Cname(target),
                        Err(_) => Answer::Failed("the alias's target is not a host name".into()),
                    };
                }
                _ => {}
            }
        }
        Answer::Txt(texts)
    }
}

pub(super) fn wire_name(name: &DomainName) -> Result<Name, hickory_proto::ProtoError> {
    Name::from_ascii(format!("{name}."))
}
