//! DNS over HTTPS (RFC 8484), through the proxy where there is one.

use std::{sync::Arc, time::Duration};

use hickory_proto::{
    op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode},
    rr::{Name, RecordType},
};
use reqwest::{Response, Url};

use super::resolved::{Resolved, TIMEOUT};
use crate::{Error, USER_AGENT, error::cause, settings::Settings};

const WHOLE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest DNS message (RFC 1035 section 4.2.2).
const MAX_MESSAGE: usize = 65_535;
/// RFC 8484 section 6.
const MESSAGE: &str = "application/dns-message";

/// One resolver over HTTPS.
pub(super) struct Https {
    url: Url,
    client: reqwest::Client,
}

impl Https {
    pub(super) fn new(url: Url, settings: &Settings) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .timeout(WHOLE_TIMEOUT)
            .connect_timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .https_only(true)
            .user_agent(USER_AGENT);
        if let Some(proxy) = &settings.proxy {
            let proxy = reqwest::Proxy::all(proxy.clone());
            builder = builder.proxy(proxy.map_err(|error| Error::Proxy { source: cause(error) })?);
        }
        if let Some(path) = &settings.ca_file {
            let unusable = |source| Error::CaFile { path: path.clone(), source };
            let pem = std::fs::read(path).map_err(|error| unusable(cause(error)))?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem);
            builder = builder.tls_certs_only(roots.map_err(|error| unusable(cause(error)))?);
        }
        let unusable = |error| Error::Endpoint { endpoint: url.to_string(), source: cause(error) };
        let client = builder.build().map_err(unusable)?;
        Ok(Self { url, client })
    }

    pub(super) async fn ask(&self, name: &Name, kind: RecordType) -> Result<Resolved, Error> {
        let query = Query::query(name.clone(), kind);
        let (mut question, _) =
            DnsRequest::from_query(query.clone(), DnsRequestOptions::default()).into_parts();
        // RFC 8484 section 4.1: the same bytes for the same question.
        question.metadata.id = 0;
        let sent = self
            .client
            .post(self.url.clone())
            .header("content-type", MESSAGE)
            .header("accept", MESSAGE)
            .body(question.to_vec()?)
            .send()
            .await;
        let answer = sent.map_err(failure)?;
        if !answer.status().is_success() {
            return Err(Error::Status(answer.status()));
        }
        read(&query, body(answer).await?)
    }
}

async fn body(mut answer: Response) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failure)? {
        if bytes.len() + chunk.len() > MAX_MESSAGE {
            return Err(Error::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The URL may hold what is secret, and is said by whoever asks.
fn failure(error: reqwest::Error) -> Error {
    Error::Https(Arc::new(error.without_url()))
}

/// Reads an answer that came over HTTPS.
pub(crate) fn read(query: &Query, bytes: Vec<u8>) -> Result<Resolved, Error> {
    let response = DnsResponse::from_buffer(bytes).map_err(|_| Error::NoMessage)?;
    if response.queries != [query.clone()] {
        return Err(Error::OtherQuestion);
    }
    match response.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        code => return Err(Error::Refused(code)),
    }
    let denied = !response.answers.iter().any(|record| record.record_type() == query.query_type());
    let ttl = response.negative_ttl().filter(|_| denied);
    Ok(Resolved {
        denied_for: ttl.map(|ttl| Duration::from_secs(ttl.into())),
        records: response.into_message().answers,
    })
}
