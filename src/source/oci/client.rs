//! Requests to a registry, over libcurl, as those to a git server.
//!
//! The crate `oci-client` would be shorter: it knows neither a client's certificate nor a SOCKS proxy, and no identity
//! tokens of Docker's configuration.

use std::cell::RefCell;

use curl::easy::Easy2;
use serde::Deserialize;
use url::Url;

use super::address::Address;
use super::challenge::{Challenge, Realm};
use crate::source::SourceError;
use crate::source::credentials::{Credentials, Hidden, Login, Tls};
use crate::source::git::answer::{Answer, Reply};
use crate::source::git::{http, options};

/// Redirects that are followed one after another: what is in a layer is often kept elsewhere.
const REDIRECTS: usize = 5;
/// Bytes of an answer with a token.
const TOKEN: usize = 1 << 20;
/// As whom we come.
const AGENT: &str = concat!("gitops-sync/", env!("CARGO_PKG_VERSION"));

/// What speaks to one repository of a registry.
pub struct Client<'a> {
    address: Address,
    /// Scheme, host and port of the registry.
    origin: Url,
    /// The URL as it may be shown.
    shown: String,
    credentials: &'a Credentials,
    /// What is sent with each request: what the registry asked for.
    granted: RefCell<Option<Login>>,
    /// With its connection, until the next request.
    handle: RefCell<Option<Easy2<Answer>>>,
}

/// A request.
#[derive(Default)]
struct Ask<'r> {
    /// Who logs in.
    login: Option<&'r Login>,
    /// What is posted, if something is.
    form: Option<&'r str>,
    /// Types that are taken.
    accept: &'r str,
    /// Bytes of an answer that is taken; of none if only its headers matter.
    limit: usize,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'a> Client<'a> {
    /// What speaks to this repository, with TLS or without.
    pub fn new(
        address: Address,
        is_plain: bool,
        credentials: &'a Credentials,
        shown: String,
    ) -> Result<Self, SourceError> {
        let scheme = if is_plain { "http" } else { "https" };
        let origin = Url::parse(&format!("{scheme}://{}", address.registry));
        let origin = origin.map_err(|_| SourceError::RepositoryNotFound { url: shown.clone() })?;
        let granted = match &credentials.login {
            Some(login @ Login::Bearer(_)) => Some(login.clone()),
            _ => None,
        };
        let granted = RefCell::new(granted);
        Ok(Self { address, origin, shown, credentials, granted, handle: RefCell::default() })
    }

    /// Whether the repository has something of one of these types at `path`, and which headers that has.
    pub fn head(&self, path: &str, accept: &str) -> Result<Reply, SourceError> {
        self.get(path, accept, 0)
    }

    /// What the repository has at `path`, of one of these types and with no more bytes than this.
    pub fn get(&self, path: &str, accept: &str, limit: usize) -> Result<Reply, SourceError> {
        let url = format!("{}v2/{}/{path}", self.origin, self.address.repository);
        let reply = self.follow(&url, accept, limit)?;
        if reply.status == 401 && self.is_granted(&reply)? {
            return self.follow(&url, accept, limit);
        }
        Ok(reply)
    }

    fn follow(&self, url: &str, accept: &str, limit: usize) -> Result<Reply, SourceError> {
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS {
            let granted = self.granted.borrow().clone();
            // Elsewhere nobody is told who comes.
            let login = granted.as_ref().filter(|_| self.is_own(&url));
            let reply = self.ask(&url, &Ask { login, accept, limit, form: None })?;
            let Some(to) = &reply.redirect else { return Ok(reply) };
            if !self.may_go(to) {
                return Err(SourceError::RedirectRefused { url: self.shown.clone() });
            }
            url.clone_from(to);
        }
        Err(self.unreachable(format!("it redirects more than {REDIRECTS} times")))
    }

    /// Whether the registry's challenge can be met otherwise than before.
    fn is_granted(&self, reply: &Reply) -> Result<bool, SourceError> {
        let challenge = reply.header("www-authenticate");
        let challenge = challenge.and_then(|it| Challenge::of(it, &self.address.repository));
        let login = match (challenge, &self.credentials.login) {
            (Some(Challenge::Token(realm)), _) => Some(Login::Bearer(self.token(&realm)?)),
            (Some(Challenge::Basic), Some(login @ Login::Basic { .. })) => Some(login.clone()),
            _ => None,
        };
        let is_new = login.is_some() && *self.granted.borrow() != login;
        if is_new {
            *self.granted.borrow_mut() = login;
        }
        Ok(is_new)
    }

    /// Has the server that the registry names give a token.
    fn token(&self, realm: &Realm) -> Result<Hidden, SourceError> {
        if !self.may_go(realm.url.as_str()) {
            return Err(SourceError::RedirectRefused { url: self.shown.clone() });
        }
        let ask = Ask { limit: TOKEN, ..Ask::default() };
        let reply = match &self.credentials.login {
            Some(Login::Identity(Hidden(identity))) => {
                let form = realm.form(identity);
                self.ask(realm.url.as_str(), &Ask { form: Some(&form), ..ask })?
            }
            login => {
                let login = login.as_ref().filter(|it| matches!(it, Login::Basic { .. }));
                self.ask(&realm.query(), &Ask { login, ..ask })?
            }
        };
        match reply.status {
            200..=299 => {}
            400 | 401 | 403 => return Err(self.refused()),
            status => return Err(self.unreachable(format!("status code {status}"))),
        }
        let token: Option<Token> = serde_json::from_slice(&reply.body).ok();
        let token = token.and_then(|it| it.access_token.or(it.token));
        let is_token = |it: &String| !it.is_empty() && it.bytes().all(|c| c.is_ascii_graphic());
        let token = token.filter(is_token);
        token.map(Hidden).ok_or_else(|| self.unreachable("it gives no token".to_owned()))
    }

    fn ask(&self, url: &str, ask: &Ask<'_>) -> Result<Reply, SourceError> {
        let answer = Answer::up_to(ask.limit);
        let mut handle = match self.handle.take() {
            Some(mut known) => {
                known.reset();
                *known.get_mut() = answer;
                known
            }
            None => Easy2::new(answer),
        };
        let done = self.configure(&mut handle, url, ask).and_then(|()| handle.perform());
        if handle.get_ref().is_too_much {
            let why = format!("it is more than {} MiB", ask.limit >> 20);
            return Err(SourceError::ArtifactUnusable { url: self.shown.clone(), why });
        }
        done.map_err(|error| http::failed(&error, self.shown.clone()))?;
        let reply = Reply::of(&mut handle);
        self.handle.replace(Some(handle));
        Ok(reply)
    }

    fn configure(
        &self,
        handle: &mut Easy2<Answer>,
        url: &str,
        ask: &Ask<'_>,
    ) -> Result<(), curl::Error> {
        options::basics(handle, url)?;
        handle.useragent(AGENT)?;
        let Tls { ca, client } = &self.credentials.tls;
        let client = client.clone().filter(|_| self.is_own(url));
        options::tls(handle, &Tls { ca: ca.clone(), client })?;
        options::proxy(handle, self.credentials.proxy.as_ref(), &self.credentials.tls)?;
        let mut headers = options::login(handle, ask.login)?;
        if !ask.accept.is_empty() {
            headers.append(&format!("Accept: {}", ask.accept))?;
        }
        if ask.limit == 0 {
            handle.nobody(true)?;
        }
        if let Some(form) = ask.form {
            handle.post(true)?;
            handle.post_fields_copy(form.as_bytes())?;
        }
        handle.http_headers(headers)
    }

    /// Whether a URL is one of the registry itself.
    fn is_own(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| url.origin() == self.origin.origin())
    }

    /// Whether what the registry names may be asked: without TLS only if it speaks none either, and then on its own
    /// host alone.
    fn may_go(&self, to: &str) -> bool {
        let Ok(to) = Url::parse(to) else { return false };
        let is_own_host = to.host_str() == self.origin.host_str();
        to.scheme() == "https"
            || (to.scheme() == "http" && self.origin.scheme() == "http" && is_own_host)
    }

    /// That it knows others, but not whom it was told.
    pub fn refused(&self) -> SourceError {
        let why = "it wants others".to_owned();
        SourceError::CredentialsRefused { url: self.shown.clone(), why }
    }

    /// That it cannot be read now.
    pub fn unreachable(&self, why: String) -> SourceError {
        SourceError::RepositoryUnreachable { url: self.shown.clone(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_leads_nowhere_without_tls_but_to_its_own_host() {
        let nobody = Credentials::default();
        let check = |is_plain: bool, to: &str, expect: (bool, bool)| {
            let address = Address::of("oci://r.example:5000/app").unwrap();
            let client = Client::new(address, is_plain, &nobody, String::new()).unwrap();
            assert_eq!((client.may_go(to), client.is_own(to)), expect, "{to}");
        };
        check(false, "https://r.example:5000/x", (true, true));
        check(false, "https://R.example:5000/x", (true, true));
        // What is in layers is kept anywhere; nobody is told there who comes.
        check(false, "https://blobs.example/x", (true, false));
        check(false, "https://r.example:5000@blobs.example/x", (true, false));
        check(true, "https://r.example:5000/x", (true, false));
        check(false, "http://r.example:5000/x", (false, false));
        check(true, "http://r.example:5000/x", (true, true));
        check(true, "http://r.example:5001/token", (true, false));
        for to in ["http://169.254.169.254/latest", "http://blobs.example/x", "file:///etc/x", "x"]
        {
            check(false, to, (false, false));
            check(true, to, (false, false));
        }
    }
}
