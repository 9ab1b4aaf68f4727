//! The secret of webhooks, and what proves that a request knows it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

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

    /// Whether these hex digits are this secret's HMAC-SHA256 of a body, in constant time.
    pub fn signed(&self, body: &[u8], signature: &str) -> bool {
        let signature = hex::decode(signature).ok();
        let mac = self.mac(body).zip(signature);
        mac.is_some_and(|(mac, signature)| mac.verify_slice(&signature).is_ok())
    }

    /// Whether a token is this secret. Their MACs are compared: that takes the same time wherever
    /// they differ, and tells nothing of the secret's length.
    pub fn is(&self, token: &[u8]) -> bool {
        let both = self.mac(&self.0).zip(self.mac(token));
        both.is_some_and(|(own, given)| own.verify(&given.finalize().into_bytes()).is_ok())
    }

    fn mac(&self, message: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(message);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_signature_of_the_right_body_counts() {
        let secret = WebhookSecret::from_file_content(b"It's a Secret to Everybody\n").unwrap();
        // Test vector of GitHub's documentation of X-Hub-Signature-256.
        let good = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let check = |body: &[u8], signature: &str, ok: bool| {
            assert_eq!(secret.signed(body, signature), ok, "{signature}");
        };
        check(b"Hello, World!", good, true);
        check(b"Hello, World?", good, false);
        check(b"Hello, World!", &good[..62], false);
        check(b"Hello, World!", &format!("{good}00"), false);
        check(b"Hello, World!", "", false);
        assert!(WebhookSecret::from_file_content(b"\n").is_none());
    }

    #[test]
    fn only_the_whole_token_counts() {
        let secret = WebhookSecret::from_file_content(b"token\n").unwrap();
        let check = |token: &[u8], ok: bool| assert_eq!(secret.is(token), ok, "{token:?}");
        check(b"token", true);
        check(b"toke", false);
        check(b"token\n", false);
        check(b"Token", false);
        check(b"", false);
    }
}
