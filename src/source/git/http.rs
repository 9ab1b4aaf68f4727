//! Requests by http and https, over libcurl.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use curl::easy::Easy2;
use percent_encoding::percent_decode_str;
use url::Url;

use super::answer::{Answer, Reply, Sink};
use super::options;
use super::redirect::{Astray, LISTING, follow};
use super::trouble::{Note, steady};
use crate::source::SourceError;
use crate::source::credentials::{Credentials, Hidden, Login, Proxy, Tls};
use crate::source::error::display_url;

/// Redirects that are followed one after another.
const REDIRECTS: usize = 5;
/// What a server says it sends when it lists refs.
const ADVERTISEMENT: &str = "application/x-git-upload-pack-advertisement";

/// What all requests to a repository share.
#[derive(Clone)]
pub struct Shared(Arc<Inner>);

struct Inner {
    /// The repository's URL as it may be shown.
    shown: String,
    /// Where it is, once redirects have been followed. It holds no user.
    base: Mutex<String>,
    login: Mutex<Option<Login>>,
    tls: Tls,
    proxy: Option<Proxy>,
    note: Note,
    /// When all of it is given up.
    until: Option<Instant>,
    /// With its connection, until the next request.
    handle: Mutex<Option<Easy2<Answer>>>,
}

/// What is sent.
#[derive(Default)]
struct Request<'a> {
    /// What is posted, if something is.
    body: Option<&'a [u8]>,
    /// Headers beside the usual ones.
    headers: &'a [&'a str],
}

impl Shared {
    /// Requests to the repository at `url`.
    pub fn new(
        url: &str,
        credentials: Option<&Credentials>,
        note: Note,
        until: Option<Instant>,
    ) -> Self {
        let (base, user) = without_user(url);
        let found = credentials.cloned().unwrap_or_default();
        Self(Arc::new(Inner {
            shown: display_url(url),
            base: Mutex::new(base),
            login: Mutex::new(found.login.or(user)),
            tls: found.tls,
            proxy: found.proxy,
            note,
            until,
            handle: Mutex::default(),
        }))
    }

    /// Keeps an error for whoever called libgit2, and makes it give up.
    pub fn give_up(&self, error: SourceError) -> git2::Error {
        self.0.note.put(error)
    }

    /// From now on logs in so.
    pub fn log_in(&self, login: Login) {
        *locked(&self.0.login) = Some(login);
    }

    /// Who logs in now.
    pub fn login(&self) -> Option<Login> {
        locked(&self.0.login).clone()
    }

    /// Asks a JSON API for something.
    pub fn get(&self, url: &str, token: &str) -> Result<Reply, SourceError> {
        self.elsewhere(url, token, None)
    }

    /// Has a JSON API make something.
    pub fn post(&self, url: &str, token: &str) -> Result<Reply, SourceError> {
        self.elsewhere(url, token, Some(&[]))
    }

    /// Sends something elsewhere, without logging in: as a JSON API wants it, with a token of its own.
    fn elsewhere(&self, url: &str, token: &str, body: Option<&[u8]>) -> Result<Reply, SourceError> {
        let token = format!("Authorization: Bearer {token}");
        let headers = ["Accept: application/vnd.github+json", token.as_str()];
        let Inner { tls, proxy, note, until, .. } = &*self.0;
        let found =
            Credentials { tls: tls.clone(), proxy: proxy.clone(), ..Credentials::default() };
        let there = Self::new(url, Some(&found), note.clone(), *until);
        there.ask(url, Request { body, headers: &headers }, None)
    }

    /// The refs of the repository, wherever on its host it is.
    pub fn list(&self) -> Result<Vec<u8>, SourceError> {
        for _ in 0..=REDIRECTS {
            let base = locked(&self.0.base).clone();
            let login = locked(&self.0.login).clone();
            let reply =
                self.ask(&format!("{base}{LISTING}"), Request::default(), login.as_ref())?;
            let Some(to) = &reply.redirect else {
                self.judge(reply.status)?;
                return if reply.kind == ADVERTISEMENT {
                    Ok(reply.body)
                } else {
                    Err(self.no_git(&reply))
                };
            };
            let next = follow(&base, to).map_err(|astray| self.astray(astray))?;
            *locked(&self.0.base) = next;
        }
        Err(self.unreachable(format!("it redirects more than {REDIRECTS} times")))
    }

    fn ask(
        &self,
        url: &str,
        request: Request<'_>,
        login: Option<&Login>,
    ) -> Result<Reply, SourceError> {
        let mut handle = self.handle(Answer::kept());
        self.configure(&mut handle, url, &request, login).map_err(|error| self.failed(&error))?;
        let done = handle.perform();
        if handle.get_ref().is_too_much {
            return Err(SourceError::RepositoryTooLarge { url: self.0.shown.clone() });
        }
        done.map_err(|error| self.failed(&error))?;
        let reply = Reply::of(&mut handle);
        *locked(&self.0.handle) = Some(handle);
        Ok(reply)
    }

    /// Sends what libgit2 asks for, and has the answer go somewhere while it comes.
    pub fn send(&self, body: &[u8], sink: Sink) -> Result<(), SourceError> {
        let url = format!("{}/git-upload-pack", locked(&self.0.base));
        let headers = [
            "Content-Type: application/x-git-upload-pack-request",
            "Accept: application/x-git-upload-pack-result",
        ];
        let login = locked(&self.0.login).clone();
        let mut handle = self.handle(Answer::new(sink));
        let request = Request { body: Some(body), headers: &headers };
        let sent = self
            .configure(&mut handle, &url, &request, login.as_ref())
            .and_then(|()| handle.perform());
        let status = handle.get_ref().status;
        // Its channel with it: only so does the reader see the end.
        *handle.get_mut() = Answer::kept();
        sent.map_err(|error| self.failed(&error))?;
        *locked(&self.0.handle) = Some(handle);
        self.judge(status)
    }

    /// A handle with the last one's connection.
    fn handle(&self, answer: Answer) -> Easy2<Answer> {
        match locked(&self.0.handle).take() {
            Some(mut known) => {
                known.reset();
                *known.get_mut() = answer;
                known
            }
            None => Easy2::new(answer),
        }
    }

    fn configure(
        &self,
        handle: &mut Easy2<Answer>,
        url: &str,
        request: &Request<'_>,
        login: Option<&Login>,
    ) -> Result<(), curl::Error> {
        options::basics(handle, url)?;
        options::end(handle, self.0.until)?;
        options::tls(handle, &self.0.tls)?;
        options::proxy(handle, self.0.proxy.as_ref(), &self.0.tls)?;
        let mut headers = options::login(handle, login)?;
        if let Some(body) = request.body {
            handle.post(true)?;
            handle.post_fields_copy(body)?;
            // It would be waited for.
            headers.append("Expect:")?;
        }
        for header in request.headers {
            headers.append(header)?;
        }
        handle.http_headers(headers)
    }

    /// What a status means.
    fn judge(&self, status: u32) -> Result<(), SourceError> {
        let url = self.0.shown.clone();
        let why = format!("status code {status}");
        Err(match status {
            200..=299 => return Ok(()),
            401 | 403 if locked(&self.0.login).is_none() => {
                SourceError::CredentialsRefused { url, why: format!("it wants some: {why}") }
            }
            401 | 403 => SourceError::CredentialsRefused { url, why },
            404 | 410 => SourceError::RepositoryNotFound { url },
            407 => SourceError::ProxyFailed { url, why },
            _ => self.unreachable(why),
        })
    }

    fn failed(&self, error: &curl::Error) -> SourceError {
        failed(error, self.0.shown.clone())
    }

    fn unreachable(&self, why: String) -> SourceError {
        SourceError::RepositoryUnreachable { url: self.0.shown.clone(), why }
    }

    fn astray(&self, astray: Astray) -> SourceError {
        let url = self.0.shown.clone();
        match astray {
            Astray::Elsewhere => SourceError::RedirectRefused { url },
            Astray::NoRepository => {
                SourceError::NotAGitServer { url, what: "a redirect to another page".to_owned() }
            }
        }
    }

    fn no_git(&self, reply: &Reply) -> SourceError {
        SourceError::NotAGitServer { url: self.0.shown.clone(), what: reply.what() }
    }
}

/// What curl says when a SOCKS proxy refuses. Its crate has no name for it.
const CURLE_PROXY: u32 = 97;

/// What an error of curl means, of whatever is at this URL.
pub fn failed(error: &curl::Error, url: String) -> SourceError {
    let why = steady(error.extra_description().unwrap_or(error.description()));
    // What OpenSSL calls the alerts of a server that knows nobody without a certificate.
    let wants = ["certificate", "handshake failure", "unknown ca", "decrypt error", "denied"];
    let is_alert = why.contains("alert") && wants.iter().any(|it| why.contains(it));
    if error.is_ssl_certproblem() {
        let why = format!("its client certificate or the key cannot be used: {why}");
        SourceError::CredentialsRefused { url, why }
    } else if is_alert {
        let why = format!("it wants another client certificate, tls.crt and tls.key: {why}");
        SourceError::CredentialsRefused { url, why }
    } else if error.is_peer_failed_verification() || error.is_ssl_cacert_badfile() {
        SourceError::CertificateUntrusted { url, why }
    } else if error.is_couldnt_resolve_proxy()
        || error.code() == CURLE_PROXY
        || why.contains("CONNECT tunnel failed")
    {
        SourceError::ProxyFailed { url, why }
    } else {
        SourceError::RepositoryUnreachable { url, why }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A URL without its user and query, and the user.
fn without_user(url: &str) -> (String, Option<Login>) {
    let Ok(mut parsed) = Url::parse(url) else { return (url.to_owned(), None) };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let password = parsed.password().map(decoded);
    let username = Some(parsed.username()).filter(|name| !name.is_empty()).map(decoded);
    let login = match (username, password) {
        (None, None) => None,
        (username, password) => Some(Login::Basic {
            username: username.unwrap_or_default(),
            password: Hidden(password.unwrap_or_default()),
        }),
    };
    let _ = (parsed.set_username(""), parsed.set_password(None));
    parsed.set_query(None);
    parsed.set_fragment(None);
    (parsed.as_str().trim_end_matches('/').to_owned(), login)
}
