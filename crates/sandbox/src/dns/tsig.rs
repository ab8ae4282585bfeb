//! Who sent this update? RFC 8945 section 5.2, in its order: key, signature, time.

use hickory_proto::{
    op::ResponseCode,
    rr::{TSigResponseContext, TSigner, rdata::tsig::TsigError},
};
use hickory_server::{server::Request, zone_handler::UpdateRequest as _};

/// An update whose sender is not accepted: the code, and how to sign the refusal if at all.
pub(super) struct Refusal {
    pub(super) code: ResponseCode,
    pub(super) signing: Option<TSigResponseContext>,
}

/// Checks the request's signature and returns how its reply is to be signed.
///
/// BADKEY and BADSIG replies carry an unsigned TSIG record and BADTIME a signed one; an unsigned update is
/// answered with a plain REFUSED.
pub(super) fn authenticate(
    request: &Request,
    signer: Option<&TSigner>,
    now: u64,
) -> Result<TSigResponseContext, Refusal> {
    let Some(signature) = request.signature() else {
        return Err(Refusal { code: ResponseCode::Refused, signing: None });
    };
    let not_auth = |signing| Refusal { code: ResponseCode::NotAuth, signing: Some(signing) };
    let known = signer.filter(|signer| {
        signer.signer_name() == &signature.name && signer.algorithm() == &signature.data.algorithm
    });
    let Some(signer) = known else {
        return Err(not_auth(TSigResponseContext::unknown_key(request.id(), now, signature.name.clone())));
    };
    // The library subtracts the fudge from the sender's time without a check.
    let plausible = signature.data.time >= u64::from(signature.data.fudge);
    let Some(Ok((mac, _, window))) =
        plausible.then(|| signer.verify_message_byte(request.as_slice(), None, true))
    else {
        return Err(not_auth(TSigResponseContext::bad_signature(request.id(), now, signer.clone())));
    };
    let context = |error| TSigResponseContext::new(request.id(), now, signer.clone(), mac.clone(), error);
    if window.contains(&now) { Ok(context(None)) } else { Err(not_auth(context(Some(TsigError::BadTime)))) }
}
