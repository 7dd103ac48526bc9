//! The cookie of a flow: what has to come back from the browser that began it. Each flow has a cookie of its own, so that
//! two tabs do not destroy each other, and a browser keeps at most five.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::keys::{Keys, Purpose};
use crate::pkce::Verifier;
use crate::randomness::NoRandomness;
use crate::time::{FLOW_SECONDS, UnixTime};

/// How many flows of one kind a browser may have under way.
pub const MOST_FLOWS: usize = 5;

/// What a flow keeps in the browser.
#[derive(Debug)]
pub struct Flow {
    /// What also stands in the state, and in the id token.
    pub nonce: String,
    /// The secret of PKCE.
    pub verifier: Verifier,
}

/// Seals and opens the cookies of one purpose.
pub struct FlowCookies {
    key: RandomizedNonceKey,
    purpose: Purpose,
    prefix: &'static str,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    expires: i64,
    nonce: String,
    verifier: String,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.verifier);
    }
}

impl FlowCookies {
    /// For one purpose; names begin with `prefix`.
    ///
    /// # Errors
    /// [`NoRandomness`], when the library refuses the key.
    pub fn new(keys: &Keys, purpose: Purpose, prefix: &'static str) -> Result<Self, NoRandomness> {
        let key = keys.derive(&format!("flow cookie {}", purpose.as_str()));
        let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, key.expose()).map_err(|_| NoRandomness)?;
        Ok(Self { key, purpose, prefix })
    }

    /// The name of the cookie of a flow: the prefix and 8 hexadecimal digits of the nonce's SHA-256.
    pub fn name(&self, nonce: &str) -> String {
        let digest = digest(&SHA256, nonce.as_bytes());
        let first = digest.as_ref().iter().take(4);
        let digits: Vec<_> = first.map(|byte| format!("{byte:02x}")).collect();
        format!("{}_{}", self.prefix, digits.concat())
    }

    /// The value of the cookie of a flow that begins now.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub fn seal(&self, flow: &Flow, now: UnixTime) -> Result<String, NoRandomness> {
        let sealed = Sealed {
            expires: now.after(FLOW_SECONDS).0,
            nonce: flow.nonce.clone(),
            verifier: flow.verifier.secret().expose().clone(),
        };
        let mut text = serde_json::to_vec(&sealed).map_err(|_| NoRandomness)?;
        let bound = Aad::from(self.bound(&self.name(&flow.nonce)));
        let nonce = self.key.seal_in_place_append_tag(bound, &mut text).map_err(|_| NoRandomness)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &text].concat()))
    }

    /// The flow of a nonce, from the cookies that a browser sent; `None` when it has none that is whole and not older
    /// than ten minutes.
    pub fn open<'a>(
        &self,
        nonce: &str,
        cookies: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: UnixTime,
    ) -> Option<Flow> {
        let name = self.name(nonce);
        let sent = cookies.into_iter().filter(|(sent, _)| *sent == name);
        let opened = sent.filter_map(|(_, value)| self.unseal(&name, value));
        opened
            .filter(|sealed| now < UnixTime(sealed.expires))
            .find(|sealed| sealed.nonce.as_bytes().ct_eq(nonce.as_bytes()).into())
            .map(|sealed| Flow {
                nonce: sealed.nonce.clone(),
                verifier: Verifier::kept(sealed.verifier.clone()),
            })
    }

    /// The names of the cookies that have to go so that another flow has room: those that do not open or have ended,
    /// and the oldest.
    pub fn surplus<'a>(
        &self,
        cookies: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: UnixTime,
    ) -> Vec<String> {
        let ours = cookies.into_iter().filter(|(name, _)| self.is_ours(name));
        let mut ends: Vec<_> = ours
            .map(|(name, value)| {
                let expires = self.unseal(name, value).map(|sealed| sealed.expires);
                (expires.filter(|expires| now < UnixTime(*expires)), name.to_owned())
            })
            .collect();
        ends.sort();
        let alive = ends.iter().filter(|(expires, _)| expires.is_some()).count();
        let too_many = ends.len() - alive + (alive + 1).saturating_sub(MOST_FLOWS);
        ends.into_iter().take(too_many).map(|(_, name)| name).collect()
    }

    fn is_ours(&self, name: &str) -> bool {
        name.strip_prefix(self.prefix).is_some_and(|rest| rest.starts_with('_'))
    }

    fn unseal(&self, name: &str, value: &str) -> Option<Sealed> {
        let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.key.open_in_place(nonce, Aad::from(self.bound(name)), &mut text).ok()?;
        serde_json::from_slice(opened).ok()
    }

    fn bound(&self, name: &str) -> Vec<u8> {
        format!("{}\0{name}", self.purpose.as_str()).into_bytes()
    }
}

impl fmt::Debug for FlowCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowCookies")
            .field("purpose", &self.purpose)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// A `Set-Cookie` header: `HttpOnly` and `SameSite=Lax`, always.
#[derive(Debug, Clone, Copy)]
pub struct Cookie<'a> {
    /// The path for which it is sent.
    pub path: &'a str,
    /// Over https alone.
    pub secure: bool,
}

impl Cookie<'_> {
    /// Sets it, for as long as a flow takes.
    pub fn set(self, name: &str, value: &str) -> String {
        self.header(name, value, FLOW_SECONDS)
    }

    /// Takes it away.
    pub fn remove(self, name: &str) -> String {
        self.header(name, "", 0)
    }

    fn header(self, name: &str, value: &str, seconds: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; Path={}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use centaur_base::Secret;

    use super::*;

    const NOW: UnixTime = UnixTime(1_000_000);

    fn cookies(purpose: Purpose) -> FlowCookies {
        FlowCookies::new(&Keys::new(&Secret::new("fake-base".to_owned())), purpose, "flow").expect("cookies")
    }

    fn begun(cookies: &FlowCookies, nonce: &str, at: UnixTime) -> (String, String) {
        let flow =
            Flow { nonce: nonce.to_owned(), verifier: Verifier::kept(format!("fake-verifier-{nonce}")) };
        (cookies.name(nonce), cookies.seal(&flow, at).expect("sealed"))
    }

    #[test]
    fn it_opens_for_its_nonce_and_purpose_within_ten_minutes() {
        let consent = cookies(Purpose::CONSENT);
        let (name, value) = begun(&consent, "n1", NOW);
        let (other_name, other_value) = begun(&consent, "n2", NOW);
        assert_eq!((name.len(), &name[..5]), (13, "flow_"));
        assert!(!value.contains("fake"));
        let all = [(other_name.as_str(), other_value.as_str()), (name.as_str(), value.as_str())];
        let flow = consent.open("n1", all, NOW.after(599)).expect("it opens");
        assert_eq!(
            (flow.nonce.as_str(), flow.verifier.secret().expose().as_str()),
            ("n1", "fake-verifier-n1")
        );
        assert!(consent.open("n1", all, NOW.after(600)).is_none(), "ended");
        assert!(consent.open("n3", all, NOW).is_none(), "not begun here");
        assert!(consent.open("n1", [(name.as_str(), other_value.as_str())], NOW).is_none(), "renamed");
        assert!(cookies(Purpose::SIGN_IN).open("n1", all, NOW).is_none(), "of another purpose");
        assert!(consent.open("n1", [(name.as_str(), &value[1..])], NOW).is_none(), "cut");
    }

    #[test]
    fn a_sixth_flow_costs_the_oldest_and_whatever_does_not_open() {
        let consent = cookies(Purpose::CONSENT);
        let begun: Vec<_> =
            (0..5).map(|at| begun(&consent, &format!("n{at}"), NOW.after(10 * (5 - at)))).collect();
        let sent =
            |count: usize| begun.iter().take(count).map(|(name, value)| (name.as_str(), value.as_str()));
        let later = NOW.after(60);
        assert_eq!(consent.surplus(sent(4), later), Vec::<String>::new());
        assert_eq!(consent.surplus(sent(5), later), [begun[4].0.clone()]);
        let with_rubbish = sent(5).chain([("flow_00000000", "rubbish"), ("other", "x"), ("flowers", "x")]);
        assert_eq!(consent.surplus(with_rubbish, later), ["flow_00000000".to_owned(), begun[4].0.clone()]);
        assert_eq!(consent.surplus(sent(4), NOW.after(700)).len(), 4, "all have ended");
    }

    #[test]
    fn the_header_says_what_a_browser_may_do_with_it() {
        let cookie = Cookie { path: "/oauth/x", secure: true };
        assert_eq!(cookie.set("a", "b"), "a=b; Path=/oauth/x; Max-Age=600; HttpOnly; SameSite=Lax; Secure");
        let cookie = Cookie { path: "/", secure: false };
        assert_eq!(cookie.remove("a"), "a=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    }
}
