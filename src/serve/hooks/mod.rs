//! Webhooks: a signed request that tells of a push starts a pass of the apps it concerns at once.
//!
//! The payload decides which apps look at git, and nothing else; none of its URLs is fetched.

mod bucket;
mod matching;
mod provider;
mod push;
mod secret;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Bytes, HttpBody as _};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use strum::IntoEnumIterator as _;
use tokio::time::timeout;

use crate::sync::Relay;
use crate::sync::directory::{Directory, Listing};
use bucket::Bucket;
use matching::matches;
use provider::{Event, Provider};
pub use secret::WebhookSecret;

/// Largest body, in bytes.
const BODY_LIMIT: usize = 1 << 20;
/// Longest time for a body to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// What the sender is told; providers show it beside their delivery.
type Answer = (StatusCode, String);

/// The receiver of webhooks.
pub struct Hooks {
    secret: WebhookSecret,
    apps: Directory,
    /// Reaches the replicas that write what this one does not.
    relay: Relay,
    signed: Mutex<Bucket>,
    /// Its own, so that noise uses up nothing of what is signed.
    unsigned: Mutex<Bucket>,
}

impl Hooks {
    /// Receives webhooks signed with a secret, for these apps.
    pub fn new(secret: WebhookSecret, apps: Directory, relay: Relay) -> Self {
        let full = || Mutex::new(Bucket::new(Instant::now()));
        Self { secret, apps, relay, signed: full(), unsigned: full() }
    }

    /// `POST /hooks/{provider}` for each provider.
    pub(super) fn routes<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let hooks = Arc::new(self);
        let mut router = Router::new();
        for provider in Provider::iter() {
            let (hooks, name): (_, &str) = (hooks.clone(), provider.into());
            let receive = async move |request| hooks.receive(provider, request).await;
            router = router.route(&format!("/hooks/{name}"), post(receive));
        }
        router.layer(DefaultBodyLimit::max(BODY_LIMIT))
    }

    async fn receive(&self, provider: Provider, request: Request) -> Answer {
        let headers = request.headers().clone();
        match self.admit(provider, &headers, request).await {
            Ok(body) if take(&self.signed) => self.act(provider.event(&headers, &body)),
            Err(refusal) if take(&self.unsigned) => refusal,
            _ => answer(StatusCode::TOO_MANY_REQUESTS, "too many webhooks: send it again later"),
        }
    }

    /// The body of a request that knows the secret. Nothing of any other is parsed.
    async fn admit(
        &self,
        provider: Provider,
        headers: &HeaderMap,
        request: Request,
    ) -> Result<Bytes, Answer> {
        let body = read(request).await?;
        if provider.admits(&self.secret, headers, &body) {
            return Ok(body);
        }
        let why = format!("{} does not match the secret", provider.credential());
        Err(answer(StatusCode::UNAUTHORIZED, &why))
    }

    fn act(&self, event: Event) -> Answer {
        let woken = match event {
            Event::Push(push) => self.wake(|app| matches(&app.url, &app.revision, &push)),
            Event::Unspecified => self.wake(|_| true),
            Event::Other => return answer(StatusCode::ACCEPTED, "only pushes start a sync"),
            Event::Unreadable => {
                let why = "not a push as JSON: set the content type to application/json";
                return answer(StatusCode::BAD_REQUEST, why);
            }
        };
        let text =
            if woken { "sync requested" } else { "no app follows this branch of this repository" };
        answer(StatusCode::ACCEPTED, text)
    }

    /// Wakes apps, whichever replica writes them, and says whether there are any.
    fn wake(&self, is_concerned: impl Fn(&Listing) -> bool) -> bool {
        let mut all = self.apps.all();
        all.retain(is_concerned);
        for app in &all {
            app.wake.notify_one();
            if !app.fence.is_open() {
                self.relay.tell(app.address.clone());
            }
        }
        !all.is_empty()
    }
}

/// The body of a request, if it is small and comes soon.
async fn read(request: Request) -> Result<Bytes, Answer> {
    if request.body().size_hint().lower() > BODY_LIMIT as u64 {
        // Without waiting for it.
        return Err(answer(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB"));
    }
    let body = timeout(BODY_TIME, Bytes::from_request(request, &())).await;
    let late = |_| answer(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
    body.map_err(late)?.map_err(|refused| answer(refused.status(), &refused.body_text()))
}

fn take(bucket: &Mutex<Bucket>) -> bool {
    bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
}

fn answer(status: StatusCode, text: &str) -> Answer {
    (status, format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures::stream;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_body_is_cut_at_the_limit_also_if_its_length_is_not_announced() {
        let check = async |length: usize, status: StatusCode| {
            let secret = WebhookSecret::from_file_content(b"secret").unwrap();
            let routes: Router =
                Hooks::new(secret, Directory::default(), Relay::default()).routes();
            let chunk = Ok::<_, std::io::Error>(vec![b'x'; length]);
            let request = Request::post("/hooks/gitlab").header("X-Gitlab-Token", "secret");
            let request = request.body(Body::from_stream(stream::iter([chunk]))).unwrap();
            assert_eq!(routes.oneshot(request).await.unwrap().status(), status, "{length}");
        };
        check(BODY_LIMIT, StatusCode::ACCEPTED).await;
        check(BODY_LIMIT + 1, StatusCode::PAYLOAD_TOO_LARGE).await;
    }
}
