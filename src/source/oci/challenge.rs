//! What a registry says to whom it does not know. Pure.

use url::Url;
use url::form_urlencoded::Serializer;

/// How a registry wants it said who comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// By name and password.
    Basic,
    /// By a token of another server.
    Token(Realm),
}

/// Where a token is to be had, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// The server that gives tokens.
    pub url: Url,
    service: String,
    scope: String,
}

impl Challenge {
    /// The first of those in a header that can be met. Where it names nothing to have a token for, that is to read
    /// this repository.
    pub fn of(header: &str, repository: &str) -> Option<Self> {
        http_auth::parse_challenges(header).ok()?.into_iter().find_map(|challenge| {
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                return Some(Self::Basic);
            }
            let named = |name: &str| {
                let mut all = challenge.params.iter();
                let found = all.find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            let is_token = challenge.scheme.eq_ignore_ascii_case("bearer");
            let url = Url::parse(&named("realm")?).ok().filter(|_| is_token)?;
            let scope = named("scope").unwrap_or_else(|| format!("repository:{repository}:pull"));
            let service = named("service").unwrap_or_default();
            Some(Self::Token(Realm { url, service, scope }))
        })
    }
}

impl Realm {
    /// What is asked for with a name and a password, or by anybody.
    pub fn query(&self) -> String {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("service", &self.service)
            .append_pair("scope", &self.scope);
        url.into()
    }

    /// What is posted with an identity token.
    pub fn form(&self, identity: &str) -> String {
        Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", "gitops-sync")
            .append_pair("service", &self.service)
            .append_pair("scope", &self.scope)
            .append_pair("refresh_token", identity)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_where_a_token_is_to_be_had() {
        let check = |header: &str, expect: Option<&str>| {
            let found = Challenge::of(header, "team/app").map(|found| match found {
                Challenge::Basic => "basic".to_owned(),
                Challenge::Token(realm) => realm.query(),
            });
            assert_eq!(found.as_deref(), expect, "{header}");
        };
        check("Basic realm=\"r\"", Some("basic"));
        check(
            r#"Bearer realm="https://a.example/token",service="r",scope="repository:x:pull""#,
            Some("https://a.example/token?service=r&scope=repository%3Ax%3Apull"),
        );
        check(
            r#"Negotiate, bearer Realm="https://a.example/t?x=1""#,
            Some("https://a.example/t?x=1&service=&scope=repository%3Ateam%2Fapp%3Apull"),
        );
        check("Bearer realm=\"nowhere\"", None);
        check("Bearer service=\"r\"", None);
        check("Digest realm=\"https://a.example\"", None);
        check("", None);
        check("=,=", None);
    }

    #[test]
    fn an_identity_is_posted_as_a_form() {
        let header = "Bearer realm=\"https://a.example/token\",service=\"r\"";
        let Some(Challenge::Token(realm)) = Challenge::of(header, "app") else {
            panic!("{header}");
        };
        let form = realm.form("a&b=c");
        assert!(form.ends_with("scope=repository%3Aapp%3Apull&refresh_token=a%26b%3Dc"), "{form}");
    }
}
