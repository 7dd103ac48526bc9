//! The parameter `state`: what a flow was begun for, signed. It is not secret, and it ends after ten minutes.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys::{Keys, Purpose};
use crate::time::{FLOW_SECONDS, UnixTime};

/// Signs and verifies states of one purpose.
#[derive(Debug, Clone)]
pub struct States(hmac::Key);

/// Why a state is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// It is none of ours, of another purpose, or was altered.
    #[error("the state is not ours")]
    Forged,
    /// It is older than ten minutes.
    #[error("the state has expired")]
    Expired,
}

#[derive(Serialize, Deserialize)]
struct Signed<T> {
    expires: i64,
    claims: T,
}

impl States {
    /// For one purpose.
    pub fn new(keys: &Keys, purpose: Purpose) -> Self {
        Self(keys.mac(&format!("state {}", purpose.as_str())))
    }

    /// The text for the address.
    ///
    /// # Errors
    /// What cannot be written as JSON.
    pub fn sign<T: Serialize>(&self, claims: &T, now: UnixTime) -> Result<String, serde_json::Error> {
        let signed = Signed { expires: now.after(FLOW_SECONDS).0, claims };
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&signed)?);
        let tag = hmac::sign(&self.0, payload.as_bytes());
        Ok(format!("{payload}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }

    /// What was signed.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn open<T: DeserializeOwned>(&self, text: &str, now: UnixTime) -> Result<T, StateError> {
        let (payload, tag) = text.split_once('.').ok_or(StateError::Forged)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| StateError::Forged)?;
        hmac::verify(&self.0, payload.as_bytes(), &tag).map_err(|_| StateError::Forged)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| StateError::Forged)?;
        let signed: Signed<T> = serde_json::from_slice(&payload).map_err(|_| StateError::Forged)?;
        if now >= UnixTime(signed.expires) { Err(StateError::Expired) } else { Ok(signed.claims) }
    }
}

#[cfg(test)]
mod tests {
    use centaur_base::Secret;

    use super::*;

    const NOW: UnixTime = UnixTime(1_000_000);

    fn states(base: &str, purpose: Purpose) -> States {
        States::new(&Keys::new(&Secret::new(base.to_owned())), purpose)
    }

    #[test]
    fn it_opens_for_ten_minutes_and_for_its_purpose_alone() {
        let consent = states("fake-base", Purpose::CONSENT);
        let text = consent.sign(&("oap_x", vec!["a"]), NOW).expect("a state");
        let open = |states: &States, now| states.open::<(String, Vec<String>)>(&text, now);
        let whole = Ok(("oap_x".to_owned(), vec!["a".to_owned()]));
        assert_eq!(open(&consent, NOW), whole);
        assert_eq!(open(&consent, NOW.after(599)), whole);
        assert_eq!(open(&consent, NOW.after(600)), Err(StateError::Expired));
        assert_eq!(open(&states("fake-base", Purpose::SIGN_IN), NOW), Err(StateError::Forged));
        assert_eq!(open(&states("fake-other", Purpose::CONSENT), NOW), Err(StateError::Forged));
    }

    #[test]
    fn every_altered_byte_is_noticed() {
        let states = states("fake-base", Purpose::CONSENT);
        let text = states.sign(&7, NOW).expect("a state");
        assert_eq!(states.open::<i32>(&text, NOW), Ok(7));
        for at in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ASCII");
            // The last character of a base64 text has bits that mean nothing, which are refused too.
            assert_eq!(states.open::<i32>(&altered, NOW), Err(StateError::Forged), "{at}");
        }
        for other in ["", ".", "a.b", text.trim_end_matches(|c| c != '.')] {
            assert_eq!(states.open::<i32>(other, NOW), Err(StateError::Forged));
        }
    }
}
