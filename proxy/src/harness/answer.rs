//! What a program is told that renews its stand-ins: new stand-ins, in the form in which its provider answers.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Value, json};

/// 2100-01-01, in seconds: no program lives to see it.
const NEVER: u64 = 4_102_444_800;
/// Ten years in seconds, where a time from now is asked for.
const LONG: u64 = 315_360_000;
/// The account that no one has, and every sandbox.
pub const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// Anyone who finds it sees that it is none.
const REFRESH_TOKEN: &str = "placeholder-refresh-token-the-real-one-is-not-in-this-sandbox";
const ACCESS_TOKEN: &str = "placeholder-access-token-the-real-one-is-not-in-this-sandbox";

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `openai`: `id_token`, `access_token` and `refresh_token`; the first two are tokens that programs look into.
    OpenAi,
    /// `claude`: `access_token`, `refresh_token`, `expires_in`, `scope`, `token_type`.
    Claude,
}

impl Shape {
    /// The content, JSON. Always the same: there is nothing in it that anyone could use.
    pub fn answer(self) -> Bytes {
        static OPENAI: LazyLock<Bytes> = LazyLock::new(|| text(&openai()));
        static CLAUDE: LazyLock<Bytes> = LazyLock::new(|| text(&claude()));
        match self {
            Self::OpenAi => OPENAI.clone(),
            Self::Claude => CLAUDE.clone(),
        }
    }
}

fn text(answer: &Value) -> Bytes {
    answer.to_string().into()
}

fn openai() -> Value {
    let account = json!({
        "chatgpt_account_id": NOBODY,
        "chatgpt_plan_type": "pro",
        "chatgpt_user_id": "placeholder",
        "user_id": "placeholder",
    });
    let token = |audience: &str| {
        unsigned(&json!({
            "iss": "https://auth.openai.com",
            "sub": "placeholder",
            "aud": [audience],
            "iat": 0,
            "exp": NEVER,
            "email": "placeholder@sandbox.invalid",
            "email_verified": true,
            "https://api.openai.com/auth": account,
        }))
    };
    json!({
        "id_token": token("placeholder"),
        "access_token": token("https://api.openai.com/v1"),
        "refresh_token": REFRESH_TOKEN,
        "expires_in": LONG,
        "scope": "openid profile email offline_access",
        "token_type": "Bearer",
    })
}

fn claude() -> Value {
    json!({
        "access_token": ACCESS_TOKEN,
        "refresh_token": REFRESH_TOKEN,
        "expires_in": LONG,
        "scope": "user:inference user:profile",
        "token_type": "Bearer",
    })
}

/// A JSON Web Token that says itself that nobody has signed it. Its third part is not empty, because there are readers
/// that take an empty one for no token.
fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "none", "typ": "JWT"});
    format!("{}.{}.{}", part(&header), part(claims), URL_SAFE_NO_PAD.encode("unsigned"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(shape: Shape) -> Value {
        serde_json::from_slice(&shape.answer()).unwrap()
    }

    #[test]
    fn tokens_of_openai_can_be_read_and_belong_to_nobody() {
        let answer = answer(Shape::OpenAi);
        for token in ["id_token", "access_token"] {
            let parts: Vec<&str> = answer[token].as_str().unwrap().split('.').collect();
            assert!(parts.len() == 3 && parts.iter().all(|part| !part.is_empty()));
            let read = |part: &str| -> Value {
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
            };
            assert_eq!(read(parts[0])["alg"], "none");
            let claims = read(parts[1]);
            assert_eq!(claims["https://api.openai.com/auth"]["chatgpt_account_id"], NOBODY);
            assert_eq!(claims["exp"], NEVER);
        }
        assert!(answer["refresh_token"].as_str().unwrap().starts_with("placeholder-"));
    }

    #[test]
    fn an_answer_of_claude_has_what_its_program_reads() {
        let answer = answer(Shape::Claude);
        assert_eq!(answer["token_type"], "Bearer");
        assert_eq!(answer["scope"], "user:inference user:profile");
        assert_eq!(answer["expires_in"], LONG);
        for token in ["access_token", "refresh_token"] {
            assert!(answer[token].as_str().unwrap().starts_with("placeholder-"));
        }
    }
}
