//! Signed assertions (JWT, RFC 7519; JWS compact form, RFC 7515) by an RSA key.
//!
//! A few lines over the crypto library that is there already: a JWT crate would bring a second one, or big numbers and a
//! calendar of its own, for what is two base64 texts and a signature.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde_json::Value as Json;

/// How an assertion is signed (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "a build with one kind signs in one way")]
pub(crate) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

impl Algorithm {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    fn encoding(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Rs256 => &RSA_PKCS1_SHA256,
            Self::Ps256 => &RSA_PSS_SHA256,
        }
    }
}

/// The RSA key in a PEM text, beside which others may stand.
///
/// # Errors
/// What is wrong with it; nothing of the key is repeated.
pub(crate) fn key(pem: &str) -> Result<KeyPair, &'static str> {
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| "it holds no private key in PEM")?;
    match &der {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err("its private key is not an RSA key"),
    }
    .map_err(|_| "its private key is not an RSA key of 2048 bits or more")
}

/// The signed assertion.
///
/// # Errors
/// When the crypto library refuses the key.
pub(crate) fn sign(
    key: &KeyPair,
    algorithm: Algorithm,
    header: &Json,
    claims: &Json,
) -> Result<String, &'static str> {
    let encode = |json: &Json| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let text = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(algorithm.encoding(), &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| "its private key cannot sign")?;
    Ok(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

/// Seconds since 1970, which assertions are dated by.
pub(crate) fn now() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "an assertion is dated where it is signed; nothing is decided by it"
    )]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::AsDer as _,
        rsa::KeySize,
        signature::{
            KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters,
            UnparsedPublicKey,
        },
    };
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn pem(kind: &str, der: &[u8]) -> String {
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", BASE64_STANDARD.encode(der))
    }

    #[test]
    fn whoever_has_the_public_key_believes_the_assertion_and_no_other() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pem = pem("PRIVATE KEY", pair.as_der().unwrap().as_ref());
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let key = key(&format!("{certificate}{pem}")).unwrap();
        let parameters: [(Algorithm, &'static RsaParameters); 2] =
            [(Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256), (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256)];
        for (algorithm, parameters) in parameters {
            let header = serde_json::json!({ "alg": algorithm.name() });
            let assertion = sign(&key, algorithm, &header, &serde_json::json!({ "iss": "me" })).unwrap();
            let (signed, signature) = assertion.rsplit_once('.').unwrap();
            let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
            let public = UnparsedPublicKey::new(parameters, pair.public_key().as_ref());
            assert!(public.verify(signed.as_bytes(), &signature).is_ok());
            assert!(public.verify(format!("{signed}x").as_bytes(), &signature).is_err());
            let claims = BASE64_URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap()).unwrap();
            assert_eq!(claims, br#"{"iss":"me"}"#);
        }
    }

    #[test]
    fn what_is_no_rsa_key_is_said_in_a_sentence_without_it() {
        for (wrong, told) in [
            ("", "no private key"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no private key"),
            (&pem("PRIVATE KEY", b"garbage"), "not an RSA key"),
            (&pem("EC PRIVATE KEY", b"garbage"), "not an RSA key"),
            (&pem("RSA PRIVATE KEY", b"garbage"), "not an RSA key"),
        ] {
            assert!(key(wrong).unwrap_err().contains(told), "{wrong}");
        }
    }
}
