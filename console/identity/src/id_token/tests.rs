use centaur_oauth::{Client, ClientOptions, EndpointRules};
use centaur_test_issuer::{Algorithm, Issuer, Key};
use serde_json::json;

use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);

struct World {
    issuer: Issuer,
    tokens: IdTokens,
    issuers: Vec<String>,
}

impl World {
    async fn new() -> Self {
        let issuer = Issuer::start().await;
        let rules = EndpointRules::parse("", true).expect("rules");
        let client = Client::new(ClientOptions { rules, ..ClientOptions::default() }).expect("a client");
        let issuers = vec!["https://idp.example".to_owned(), "idp.example".to_owned()];
        Self { issuer, tokens: IdTokens::new(Jwks::new(client)), issuers }
    }

    async fn verify(&self, token: &str) -> Result<Claims, IdTokenError> {
        let jwks_uri = &self.issuer.url("/jwks");
        let expected =
            Expected { jwks_uri, issuers: &self.issuers, client_id: "client-1", nonce: Some("n1"), now: NOW };
        self.tokens.verify(token, &expected).await
    }

    async fn code(&self, token: &str) -> &'static str {
        self.verify(token).await.map_or_else(IdTokenError::code, |_| "taken")
    }
}

fn claims() -> Value {
    json!({"iss":"https://idp.example","aud":"client-1","sub":"s1","nonce":"n1","iat":NOW.0,"exp":NOW.0 + 3600,
        "email":"ada@example.test","email_verified":true,"name":"Ada"})
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn without(key: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(key);
    claims
}

#[tokio::test]
async fn both_algorithms_are_verified_and_say_who_it_is() {
    let world = World::new().await;
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        world.issuer.use_keys([Key::new(&format!("{algorithm:?}"), algorithm)]);
        let claims = world.verify(&world.issuer.sign(&claims())).await.expect("verified");
        assert_eq!((claims.subject.as_str(), claims.email.as_deref()), ("s1", Some("ada@example.test")));
        assert_eq!((claims.email_verified, claims.name.as_deref()), (true, Some("Ada")));
        assert_eq!(claims.all["aud"], "client-1");
    }
}

#[tokio::test]
async fn each_claim_is_held_to_the_flow() {
    let world = World::new().await;
    world.issuer.use_keys([Key::new("k1", Algorithm::Es256)]);
    for (claims, want) in [
        (claims(), "taken"),
        (with("iss", json!("idp.example")), "taken"),
        (with("iss", json!("https://idp.example/")), "id_token_iss_invalid"),
        (without("iss"), "id_token_iss_invalid"),
        (with("aud", json!("client-2")), "id_token_aud_mismatch"),
        (with("aud", json!([])), "id_token_aud_mismatch"),
        (without("aud"), "id_token_aud_mismatch"),
        (with("aud", json!(["client-1"])), "taken"),
        (with("aud", json!(["client-1", "client-2"])), "id_token_aud_mismatch"),
        (with("azp", json!("client-1")), "taken"),
        (with("azp", json!("client-2")), "id_token_aud_mismatch"),
        (with("exp", json!(NOW.0 - 59)), "taken"),
        (with("exp", json!(NOW.0 - 60)), "id_token_expired"),
        (with("exp", json!("later")), "id_token_expired"),
        (without("exp"), "id_token_expired"),
        (with("iat", json!(NOW.0 + 60)), "taken"),
        (with("iat", json!(NOW.0 + 61)), "id_token_iat_invalid"),
        (without("iat"), "id_token_iat_invalid"),
        (with("nbf", json!(NOW.0 + 61)), "id_token_iat_invalid"),
        (with("nonce", json!("n2")), "id_token_nonce_mismatch"),
        (without("nonce"), "id_token_nonce_mismatch"),
        (without("sub"), "id_token_missing_sub"),
        (with("sub", json!(" ")), "id_token_missing_sub"),
        (with("sub", json!(7)), "id_token_missing_sub"),
    ] {
        assert_eq!(world.code(&world.issuer.sign(&claims)).await, want, "{claims}");
    }
    let mut several = with("aud", json!(["client-1", "client-2"]));
    several["azp"] = json!("client-1");
    assert_eq!(world.code(&world.issuer.sign(&several)).await, "taken");
    let unverified = world.verify(&world.issuer.sign(&with("email_verified", json!("true")))).await;
    assert!(!unverified.expect("verified").email_verified, "only the boolean counts");
}

#[tokio::test]
async fn what_is_not_signed_by_the_issuer_is_refused() {
    let world = World::new().await;
    let (own, foreign) = (Key::new("k1", Algorithm::Rs256), Key::new("k1", Algorithm::Rs256));
    world.issuer.use_keys([own.clone()]);
    assert_eq!(world.code(&own.sign(&claims())).await, "taken");
    assert_eq!(world.code(&foreign.sign(&claims())).await, "id_token_signature_invalid");
    let token = own.sign(&claims());
    let parts: Vec<_> = token.split('.').collect();
    let other = own.sign(&with("sub", json!("s2")));
    let other_claims = other.split('.').nth(1).expect("claims");
    let mixed = format!("{}.{other_claims}.{}", parts[0], parts[2]);
    assert_eq!(world.code(&mixed).await, "id_token_signature_invalid");
    for (head, want) in [
        (json!({"alg":"none","kid":"k1"}), "id_token_alg_invalid"),
        (json!({"alg":"HS256","kid":"k1"}), "id_token_alg_invalid"),
        (json!({"alg":"RS512","kid":"k1"}), "id_token_alg_invalid"),
        (json!({"alg":"PS256","kid":"k1"}), "id_token_alg_invalid"),
        (json!({"alg":"EdDSA","kid":"k1"}), "id_token_alg_invalid"),
        (json!({"kid":"k1"}), "id_token_alg_invalid"),
        (json!({"alg":"ES256","kid":"k1"}), "id_token_key_unknown"),
        (json!({"alg":"RS256","kid":"k1","crit":["b64"],"b64":false}), "parse"),
        (json!({"alg":"RS256"}), "taken"),
    ] {
        assert_eq!(world.code(&own.sign_with_head(&head, &claims())).await, want, "{head}");
    }
    for text in ["", "a", "a.b", "a.b.c", "..", &token[1..], &"x".repeat(20_000)] {
        assert_eq!(world.code(text).await, "parse", "{text}");
    }
    assert_eq!(world.code(&format!("{}.{}.", parts[0], parts[1])).await, "id_token_signature_invalid");
}

#[tokio::test]
async fn keys_rotate_and_are_read_again_but_not_without_end() {
    let (world, since) = (World::new().await, std::time::Instant::now());
    let keys: Vec<_> = ["k1", "k2", "k3"].map(|id| Key::new(id, Algorithm::Es256)).into();
    world.issuer.use_keys([keys[0].clone()]);
    let reads = || world.issuer.seen("/jwks").len();
    assert_eq!(world.code(&keys[0].sign(&claims())).await, "taken");
    assert_eq!(world.code(&keys[0].sign(&claims())).await, "taken");
    assert_eq!(reads(), 1, "kept");
    world.issuer.use_keys([keys[0].clone(), keys[1].clone()]);
    assert_eq!(world.code(&keys[1].sign(&claims())).await, "taken");
    assert_eq!(reads(), 2);
    // A key that is never there costs the issuer a few reads, whoever sends how many.
    for _ in 0..10 {
        assert_eq!(world.code(&keys[2].sign(&claims())).await, "id_token_key_unknown");
    }
    // One more is allowed every ten seconds.
    let most = 4 + since.elapsed().as_secs() / 10;
    assert!((4..=most).contains(&(reads() as u64)), "{}", reads());
    assert_eq!(world.code(&keys[0].sign(&claims())).await, "taken", "the known ones stay");
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_said_so_and_keys_for_other_uses_are_none() {
    let world = World::new().await;
    let key = Key::new("k1", Algorithm::Rs256);
    for (status, body) in [(500, json!({})), (200, json!([])), (200, json!({"keys":7}))] {
        let world = World::new().await;
        world.issuer.answer("/jwks", status, body);
        assert_eq!(world.code(&key.sign(&claims())).await, "id_token_keys_unavailable");
    }
    let mut published = key.jwk();
    published["use"] = json!("enc");
    let rubbish = json!({"kty":"later","kid":"k1"});
    world.issuer.answer("/jwks", 200, json!({"keys":[rubbish, published]}));
    assert_eq!(world.code(&key.sign(&claims())).await, "id_token_key_unknown");
    world.issuer.answer("/jwks", 200, json!({"keys":[rubbish, key.jwk()]}));
    assert_eq!(world.code(&key.sign(&claims())).await, "taken");
}
