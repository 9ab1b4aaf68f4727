//! Webhooks: a signed request starts a pass at once.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Shared;

/// Header with the signature, as GitHub, Gitea and others send it.
const SIGNATURE: &str = "x-hub-signature-256";

/// The secret that signs webhooks. Never shown.
#[derive(Clone)]
pub struct WebhookSecret(Vec<u8>);

impl WebhookSecret {
    /// The secret in a file, without the line feed at its end. `None` for an empty one, with which
    /// anybody could sign.
    pub fn from_file_content(content: &[u8]) -> Option<Self> {
        let secret = content.trim_ascii_end();
        (!secret.is_empty()).then(|| Self(secret.to_vec()))
    }

    /// Whether `sha256=<hex>` is this secret's signature of a body, in constant time.
    pub fn signed(&self, body: &[u8], signature: &str) -> bool {
        let Some(Ok(signature)) = signature.strip_prefix("sha256=").map(hex::decode) else {
            return false;
        };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return false };
        mac.update(body);
        mac.verify_slice(&signature).is_ok()
    }
}

/// `POST /hooks/generic`: any signed body will do.
pub async fn generic(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let secret = shared.webhook_secret.as_ref();
    if !secret.zip(signature).is_some_and(|(secret, signature)| secret.signed(&body, signature)) {
        return (StatusCode::UNAUTHORIZED, "X-Hub-Signature-256 does not match\n");
    }
    shared.wake.notify_one();
    (StatusCode::ACCEPTED, "sync requested\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_signature_of_the_right_body_counts() {
        let secret = WebhookSecret::from_file_content(b"It's a Secret to Everybody\n").unwrap();
        // Test vector of GitHub's documentation of X-Hub-Signature-256.
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let check = |body: &[u8], signature: &str, ok: bool| {
            assert_eq!(secret.signed(body, signature), ok, "{signature}");
        };
        check(b"Hello, World!", good, true);
        check(b"Hello, World?", good, false);
        check(b"Hello, World!", &good[..70], false);
        check(b"Hello, World!", &good.replace("sha256=", ""), false);
        check(b"Hello, World!", "", false);
        assert!(WebhookSecret::from_file_content(b"\n").is_none());
    }
}
