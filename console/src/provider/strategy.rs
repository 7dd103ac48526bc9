//! What is known of a provider.

use centaur_oauth::ClientAuth;

/// How a provider is asked for a consent, and how its answers are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Strategy {
    /// The name for people.
    pub(crate) display_name: String,
    /// Where browsers are sent.
    pub(crate) authorization_endpoint: String,
    /// Where codes are redeemed.
    pub(crate) token_endpoint: String,
    /// What a credential has as its token endpoint: the provider's own, wherever it was moved to for now.
    pub(crate) stored_token_endpoint: String,
    /// Scopes that are always asked for, so that the answer says who consented.
    pub(crate) identity_scopes: Vec<String>,
    /// Hosts that take the tokens, as patterns.
    pub(crate) api_hosts: Vec<String>,
    /// The name of the parameter that has the scopes.
    pub(crate) scope_param: String,
    /// What stands between two scopes.
    pub(crate) scope_separator: String,
    /// Further parameters of the request.
    pub(crate) extra_params: &'static [(&'static str, &'static str)],
    /// An answer without a refresh token is refused.
    pub(crate) needs_refresh_token: bool,
    /// It takes PKCE.
    pub(crate) pkce: bool,
    /// How the client says who it is.
    pub(crate) client_auth: ClientAuth,
    /// How it writes the scopes that were granted.
    pub(crate) granted_scopes: GrantedScopes,
    /// How its answer says who consented.
    pub(crate) identity: Identity,
    /// Where more is known about who consented.
    pub(crate) profile: Option<Profile>,
}

/// How a list of granted scopes is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantedScopes {
    /// With white space between them.
    Spaced,
    /// With commas or white space between them.
    Listed,
    /// As [`GrantedScopes::Listed`], or as an array.
    ListedOrArray,
}

/// Who consented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The id token says so.
    IdToken(Issuer),
    /// The user of Slack whose token it is; else the id token.
    Slack(Issuer),
    /// The answer does not say. Until the profile is read, the account is `Pending` and this noun.
    Unsaid(String),
}

/// Who signs id tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issuer {
    /// The names it may have in them.
    pub(crate) names: Vec<String>,
    /// Where its keys are.
    pub(crate) keys: IssuerKeys,
}

/// Where the keys of an issuer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IssuerKeys {
    /// There.
    At(String),
    /// Where the configuration of the first name says.
    Discovered,
}

/// Where an account is read, with its access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Profile {
    /// An OpenID Connect profile, which has the same subject.
    UserInfo(String),
    /// The user of GitHub.
    Github(String),
    /// The viewer of Linear's GraphQL.
    Linear(String),
    /// The workspace of Attio.
    Attio(String),
    /// The user of Slack: who the token is, and that user's record.
    Slack {
        /// `auth.test`
        test: String,
        /// `users.info`
        info: String,
    },
    /// A JSON object with a subject, of a provider that an app describes.
    Generic(String),
}

impl Strategy {
    /// One with the common values: PKCE, the client in the form, spaces between scopes.
    pub(super) fn new(display_name: &str, authorization_endpoint: &str, token_endpoint: &str) -> Self {
        Self {
            display_name: display_name.to_owned(),
            authorization_endpoint: authorization_endpoint.to_owned(),
            token_endpoint: token_endpoint.to_owned(),
            stored_token_endpoint: token_endpoint.to_owned(),
            identity_scopes: Vec::new(),
            api_hosts: Vec::new(),
            scope_param: "scope".to_owned(),
            scope_separator: " ".to_owned(),
            extra_params: &[],
            needs_refresh_token: false,
            pkce: true,
            client_auth: ClientAuth::Post,
            granted_scopes: GrantedScopes::Listed,
            identity: Identity::Unsaid("account".to_owned()),
            profile: None,
        }
    }

    /// Moves every endpoint. Whoever stands in for an issuer may sign with its name or with the address it was moved to.
    pub(super) fn moved(&mut self, base: &str, to: impl Fn(&str) -> String) {
        for endpoint in [&mut self.authorization_endpoint, &mut self.token_endpoint] {
            *endpoint = to(endpoint);
        }
        match &mut self.identity {
            Identity::IdToken(issuer) | Identity::Slack(issuer) => {
                issuer.names.push(base.trim_end_matches('/').to_owned());
                if let IssuerKeys::At(keys) = &mut issuer.keys {
                    *keys = to(keys);
                }
            }
            Identity::Unsaid(_) => {}
        }
        match &mut self.profile {
            Some(
                Profile::UserInfo(url)
                | Profile::Github(url)
                | Profile::Linear(url)
                | Profile::Attio(url)
                | Profile::Generic(url),
            ) => *url = to(url),
            Some(Profile::Slack { test, info }) => (*test, *info) = (to(test), to(info)),
            None => {}
        }
    }

    /// Whether its id token is bound to the flow by a nonce.
    pub(crate) fn wants_nonce(&self) -> bool {
        matches!(self.identity, Identity::IdToken(_))
    }
}

impl Issuer {
    /// With these names and its keys there.
    pub(super) fn at(names: &[&str], keys: &str) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self { names, keys: IssuerKeys::At(keys.to_owned()) }
    }
}

/// Texts that a provider is known by.
pub(super) fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}
