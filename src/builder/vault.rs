//! Access to Vault. Which one has the key of a file is said in the file, and that anyone may write: a token is sent
//! only where whoever gave it said so.

use std::env;
use std::ffi::OsString;

use super::Keys;

/// What sops finds the token in.
const TOKEN: &str = "VAULT_TOKEN";
/// Where the daemon's own Vault is.
const ADDRESS: &str = "VAULT_ADDR";
/// Addresses that sops sends tokens to, with commas between them.
const ALLOWED: &str = "SOPS_HC_VAULT_ALLOWLIST";
/// None, as sops has it.
const NOWHERE: &str = "none";
/// Has sops do without what the machine that it runs on may do: clients of key management services ask for that where
/// they find nothing else.
const NO_MACHINE: [(&str, &str); 4] = [
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential"),
    ("GCE_METADATA_HOST", "127.0.0.1:9"),
    ("GOOGLE_APPLICATION_CREDENTIALS", "/dev/null"),
];

/// What sops says of a Vault that no token is sent to.
pub(super) const NOT_ALLOWED: &str = "Allowlist does not allow";

/// What of it sops gets for these keys, and if it `may` of the daemon's own.
pub(super) fn environment(keys: &Keys, may: bool) -> Vec<(&'static str, OsString)> {
    let var = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let own =
        Own { token: var(TOKEN).filter(|_| may), address: var(ADDRESS), allowed: var(ALLOWED) };
    let (token, allowed) = own.access(keys);
    let mut all: Vec<(_, OsString)> = vec![(ALLOWED, allowed.into())];
    all.extend(token.map(|token| (TOKEN, token.into())));
    if !may {
        all.extend(NO_MACHINE.map(|(name, value)| (name, value.into())));
    }
    all
}

/// What the daemon has.
#[derive(Default)]
struct Own {
    token: Option<String>,
    address: Option<String>,
    allowed: Option<String>,
}

impl Own {
    /// The token, and the addresses that it is sent to. The daemon's own goes nowhere that others name, and no other
    /// one beyond what its operator allows.
    fn access(self, keys: &Keys) -> (Option<String>, String) {
        let Self { token, address, allowed } = self;
        let (token, named) = match &keys.vault_token {
            Some(given) => (Some(given.clone()), keys.vault_address.clone()),
            None => (token, None),
        };
        (token, allowed.or(named).or(address).unwrap_or_else(|| NOWHERE.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_only_where_its_owner_said() {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let check = |given: [&str; 2], own: [&str; 3], expect: (&str, &str)| {
            let [vault_token, vault_address] = given.map(text);
            let keys = Keys { vault_token, vault_address, ..Keys::default() };
            let [token, address, allowed] = own.map(text);
            let found = Own { token, address, allowed }.access(&keys);
            assert_eq!(found, (text(expect.0), expect.1.to_owned()), "{given:?} {own:?}");
        };
        check(["t", ""], ["", "", ""], ("t", "none"));
        check(["t", "a"], ["", "", ""], ("t", "a"));
        check(["t", ""], ["", "b", ""], ("t", "b"));
        check(["t", "a"], ["s", "b", ""], ("t", "a"));
        check(["t", "a"], ["s", "b", "c"], ("t", "c"));
        // An address without a token is nothing.
        check(["", "a"], ["s", "", ""], ("s", "none"));
        check(["", "a"], ["s", "b", ""], ("s", "b"));
        check(["", ""], ["s", "b", "c"], ("s", "c"));
        check(["", ""], ["", "", ""], ("", "none"));
    }
}
