//! A browser that came for a consent.

use axum::extract::{FromRequestParts, RawPathParams};
use centaur_identity::UnixTime;
use centaur_store::{Actor, OauthApp, Who};
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method};

use super::refusal::Refusal;
use crate::api::{Peer, RequestId};
use crate::app::{App, log};
use crate::pages::Frame;
use crate::provider::{Provider, Strategy};
use crate::sign_in::site::is_loopback;
use crate::sign_in::visitor::signed_in;
use crate::sign_in::{cookies, network};
use crate::wire::{Query, is_url_safe};

/// All that a step of the flow may use.
pub(super) struct Visit {
    pub(super) app: App,
    /// As it stands in the path.
    pub(super) slug: String,
    pub(super) query: Query,
    /// `HEAD` looks, and must not do anything.
    pub(super) only_looks: bool,
    headers: HeaderMap,
    actor: Actor,
}

impl FromRequestParts<App> for Visit {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let params = RawPathParams::from_request_parts(parts, app).await.ok();
        let slug = params.and_then(|params| params.iter().next().map(|(_, slug)| slug.to_owned()));
        let trusted = &app.config().sign_in.trusted_proxies;
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
        let address = peer.map(|peer| network::client(peer, trusted, &parts.headers).to_string());
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
        let signed_in = signed_in(&parts.headers, app).await;
        let as_operator = signed_in.as_ref().is_some_and(|(session, user)| user.admin && session.as_operator);
        let who = signed_in.map_or(Who::System, |(_, user)| Who::User(user.id));
        Ok(Self {
            app: app.clone(),
            slug: slug.unwrap_or_default(),
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            only_looks: parts.method == Method::HEAD,
            headers: parts.headers.clone(),
            actor: Actor { who, as_operator, address, request_id, scope: None },
        })
    }
}

impl Visit {
    /// Somebody is signed in to the console with this browser.
    pub(super) fn is_signed_in(&self) -> bool {
        matches!(self.actor.who, Who::User(_))
    }

    /// In whose name something is written.
    pub(super) fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The app of the slug, and its provider.
    pub(super) async fn app_of_slug(&self) -> Result<(OauthApp, Strategy), Refusal> {
        if !is_url_safe(&self.slug) {
            return Err(Refusal::Unknown);
        }
        let found = async { self.app.store().read().await?.app_by_slug(&self.slug).await };
        let found = found.await.map_err(|error| {
            log("error", "an app for a consent could not be read", &[("error", &error.to_string())]);
            Refusal::Unavailable
        })?;
        let found = found.ok_or(Refusal::Unknown)?;
        let strategy = Provider::strategy(&found, &self.app.config().broker.moved).ok_or(Refusal::Unknown)?;
        Ok((found, strategy))
    }

    /// What time it is.
    pub(super) fn now(&self) -> UnixTime {
        UnixTime::from_micros(self.app.store().clock().now().0)
    }

    /// The cookies that the browser sent.
    pub(super) fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        cookies::sent(&self.headers)
    }

    /// Where browsers reach the console: the public URL. Without one only a browser on this machine is sent away and
    /// back, for a `Host` that somebody else made up would decide where the code goes.
    pub(super) fn public(&self) -> Result<String, Refusal> {
        if let Some(public) = &self.app.config().public_url {
            return Ok(public.clone());
        }
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if is_local(host) { Ok(format!("http://{host}")) } else { Err(Refusal::NoPublicUrl) }
    }

    /// Where the provider sends the browser back to.
    pub(super) fn redirect_uri(&self) -> Result<String, Refusal> {
        Ok(format!("{}/oauth/{}/callback", self.public()?, self.slug))
    }

    /// The path of the flow's cookies.
    pub(super) fn cookie_path(&self) -> String {
        format!("{}/oauth/{}", self.frame().base, self.slug)
    }

    /// Whether browsers reach the console over https.
    pub(super) fn is_secure(&self) -> bool {
        self.app.config().public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }

    pub(super) fn frame(&self) -> Frame {
        Frame::of(&self.app)
    }
}

fn is_local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    !authority.as_str().contains('@') && is_loopback(authority.host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_its_own_address() {
        for local in ["127.0.0.1:3000", "localhost", "LOCALHOST:1", "[::1]:3000"] {
            assert!(is_local(local), "{local}");
        }
        for other in
            ["console.example", "10.0.0.1", "a@localhost", "localhost.example", "", "a b", "127.0.0.1.x"]
        {
            assert!(!is_local(other), "{other}");
        }
    }
}
