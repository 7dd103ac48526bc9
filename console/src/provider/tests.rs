use std::collections::BTreeMap;

use centaur_base::oid::{OauthAppId, Oid as _};
use centaur_store::{AutoGrant, Labels, Micros};

use super::*;

fn app(provider: &str) -> OauthApp {
    OauthApp {
        id: OauthAppId::new(1).expect("an id"),
        slug: "drive".to_owned(),
        description: None,
        labels: Labels::new(),
        provider: provider.to_owned(),
        generic: None,
        client_id: "client-1".to_owned(),
        allowed_scopes: vec!["a".to_owned()],
        credential_namespace: "default".to_owned(),
        enabled: true,
        auto_grant: AutoGrant::Off,
        client_rejected_at: None,
        created_by: None,
        revision: 1,
        created_at: Micros(0),
        updated_at: Micros(0),
    }
}

#[test]
fn each_provider_is_the_row_of_the_table() {
    for (provider, authorize, token, scopes, param, extras, needs, hosts) in [
        (
            "google",
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
            "openid https://www.googleapis.com/auth/userinfo.email",
            "scope ",
            "access_type=offline prompt=consent",
            true,
            "*.googleapis.com",
        ),
        (
            "slack",
            "https://slack.com/oauth/v2/authorize",
            "https://slack.com/api/oauth.v2.access",
            "",
            "user_scope,",
            "",
            true,
            "slack.com",
        ),
        (
            "github",
            "https://github.com/login/oauth/authorize",
            "https://github.com/login/oauth/access_token",
            "",
            "scope ",
            "",
            false,
            "api.github.com github.com",
        ),
        (
            "linear",
            "https://linear.app/oauth/authorize",
            "https://api.linear.app/oauth/token",
            "",
            "scope,",
            "",
            true,
            "api.linear.app",
        ),
        (
            "attio",
            "https://app.attio.com/authorize",
            "https://app.attio.com/oauth/token",
            "",
            "scope ",
            "",
            false,
            "api.attio.com",
        ),
        (
            "granola",
            "https://mcp-auth.granola.ai/oauth2/authorize",
            "https://mcp-auth.granola.ai/oauth2/token",
            "openid email profile offline_access",
            "scope ",
            "",
            true,
            "mcp.granola.ai",
        ),
    ] {
        let known = Provider::strategy(&app(provider), &BTreeMap::new()).expect("a strategy");
        assert_eq!(known.authorization_endpoint, authorize);
        assert_eq!((known.token_endpoint, known.stored_token_endpoint), (token.to_owned(), token.to_owned()));
        assert_eq!(known.identity_scopes.join(" "), scopes, "{provider}");
        assert_eq!(format!("{}{}", known.scope_param, known.scope_separator), param, "{provider}");
        let shown: Vec<_> =
            known.extra_params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown.join(" "), extras, "{provider}");
        assert_eq!((known.needs_refresh_token, known.api_hosts.join(" ")), (needs, hosts.to_owned()));
        assert!(known.pkce, "{provider}");
    }
    for unknown in ["okta", "", "generic"] {
        assert_eq!(Provider::strategy(&app(unknown), &BTreeMap::new()), None, "{unknown:?}");
    }
}

#[test]
fn a_provider_that_was_moved_is_asked_there_alone_and_stored_as_itself() {
    let base = "http://127.0.0.1:9";
    for provider in Provider::ALL.into_iter().filter(|provider| *provider != Provider::Generic) {
        let name = provider.as_str();
        let moved = BTreeMap::from([(name.to_owned(), base.to_owned())]);
        let strategy = Provider::strategy(&app(name), &moved).expect("a strategy");
        let mut called = vec![strategy.authorization_endpoint, strategy.token_endpoint];
        match strategy.identity {
            Identity::IdToken(Issuer { names, keys: IssuerKeys::At(keys) })
            | Identity::Slack(Issuer { names, keys: IssuerKeys::At(keys) }) => {
                assert_eq!(names.last().map(String::as_str), Some(base));
                called.push(keys);
            }
            Identity::Unsaid(_) => {}
            other => panic!("{other:?}"),
        }
        match strategy.profile {
            Some(Profile::Slack { test, info }) => called.extend([test, info]),
            Some(
                Profile::UserInfo(url)
                | Profile::Github(url)
                | Profile::Linear(url)
                | Profile::Attio(url)
                | Profile::Generic(url),
            ) => called.push(url),
            None => {}
        }
        for url in called {
            assert!(url.starts_with(&format!("{base}/")), "{name}: {url}");
        }
        assert!(strategy.stored_token_endpoint.starts_with("https://"), "{name}");
    }
}
