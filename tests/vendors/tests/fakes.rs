//! The fakes as a client meets them: they do what the real ones do, and refuse what those refuse.

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jiff::Timestamp;
    use quillon_test_vendors::ci::{CiIssuer, CiSystem};
    use quillon_test_vendors::openid::{Attack, OpenIdProvider};
    use quillon_test_vendors::{Clock, jwt::Forgery};
    use reqwest::Client;
    use serde_json::{Value, json};
    use sha2::{Digest as _, Sha256};
    use url::Url;

    const CALLBACK: &str = "http://127.0.0.1:1/auth/oidc/callback";
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn clock() -> Clock {
        Arc::new(|| Timestamp::from_second(1_767_600_000).expect("a time"))
    }

    fn client() -> Client {
        Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
    }

    /// Goes to the authorization page, and gives the answer's status and what it says to the callback.
    async fn authorize(provider: &OpenIdProvider, change: &[(&str, &str)]) -> (u16, Option<Url>) {
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", provider.client_id()),
            ("redirect_uri", CALLBACK),
            ("scope", "openid email"),
            ("state", "s t"),
            ("nonce", "n"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        query.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
        query.extend(change);
        let url = Url::parse_with_params(&format!("{}/authorize", provider.issuer()), query).expect("an address");
        let answer = client().get(url).send().await.expect("an answer");
        let location = answer.headers().get("location").map(|value| value.to_str().expect("text").parse().expect("an address"));
        (answer.status().as_u16(), location)
    }

    fn parameter(url: &Url, name: &str) -> Option<String> {
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    async fn exchange(provider: &OpenIdProvider, code: &str, change: &[(&str, &str)]) -> (u16, Value) {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("client_id", provider.client_id()),
            ("client_secret", provider.client_secret()),
            ("code_verifier", VERIFIER),
        ];
        form.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
        form.extend(change);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = client().post(format!("{}/token", provider.issuer())).body(body);
        let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    async fn code(provider: &OpenIdProvider) -> String {
        let (status, location) = authorize(provider, &[]).await;
        assert_eq!(status, 302);
        let location = location.expect("a way back");
        assert_eq!(parameter(&location, "state").as_deref(), Some("s t"));
        parameter(&location, "code").expect("a code")
    }

    fn claims(token: &str) -> Value {
        let middle = token.split('.').nth(1).expect("claims");
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(middle).expect("base64")).expect("JSON")
    }

    #[tokio::test]
    async fn a_code_gives_one_token() {
        let provider = OpenIdProvider::start(&[CALLBACK], clock()).await;
        let code = code(&provider).await;
        let (status, answer) = exchange(&provider, &code, &[]).await;
        assert_eq!(status, 200, "{answer}");
        let claims = claims(answer["id_token"].as_str().expect("a token"));
        assert_eq!((&claims["nonce"], &claims["email_verified"], &claims["iss"]), (&json!("n"), &json!(true), &json!(provider.issuer())));
        assert_eq!(exchange(&provider, &code, &[]).await, (400, json!({ "error": "invalid_grant", "error_description": "refused" })));
    }

    #[tokio::test]
    async fn the_provider_is_as_strict_as_the_real_ones() {
        let provider = OpenIdProvider::start(&[CALLBACK], clock()).await;
        for (change, error) in [
            (("code_challenge_method", "plain"), "invalid_request"),
            (("code_challenge", ""), "invalid_request"),
            (("response_type", "token"), "unsupported_response_type"),
            (("scope", "email"), "invalid_scope"),
        ] {
            let (status, location) = authorize(&provider, &[change]).await;
            assert_eq!((status, parameter(&location.expect("a way back"), "error").as_deref()), (302, Some(error)), "{change:?}");
        }
        assert_eq!(authorize(&provider, &[("redirect_uri", "https://evil.example/")]).await, (400, None));
        assert_eq!(authorize(&provider, &[("client_id", "another")]).await, (401, None));
        for change in [("code_verifier", "wrong"), ("code_verifier", ""), ("redirect_uri", "http://127.0.0.1:1/"), ("code", "made-up")] {
            let code = code(&provider).await;
            assert_eq!(exchange(&provider, &code, &[change]).await.0, 400, "{change:?}");
        }
        let code = code(&provider).await;
        assert_eq!(exchange(&provider, &code, &[("client_secret", "wrong")]).await.0, 401);
        provider.refuse();
        let (_, location) = authorize(&provider, &[]).await;
        assert_eq!(parameter(&location.expect("a way back"), "error").as_deref(), Some("access_denied"));
    }

    #[tokio::test]
    async fn its_lies_differ_from_the_truth() {
        let provider = OpenIdProvider::start(&[CALLBACK], clock()).await;
        let honest = claims(exchange(&provider, &code(&provider).await, &[]).await.1["id_token"].as_str().expect("a token"));
        for attack in Attack::all() {
            provider.attack(Some(attack));
            let (status, answer) = exchange(&provider, &code(&provider).await, &[]).await;
            let token = answer["id_token"].as_str();
            let is_signature = matches!(attack, Attack::Signature(_));
            assert_eq!((status, token.is_none()), (200, attack == Attack::NoToken), "{attack:?}");
            assert!(token.is_none_or(|token| (claims(token) == honest) == is_signature), "{attack:?}");
        }
    }

    #[tokio::test]
    async fn ci_issuers_publish_the_keys_that_they_sign_with() {
        for system in CiSystem::ALL {
            let issuer = CiIssuer::start(system, clock()).await;
            let read = async |url: &str| -> Value { client().get(url).send().await.expect("an answer").json().await.expect("JSON") };
            let document = read(&format!("{}/.well-known/openid-configuration", issuer.issuer())).await;
            assert_eq!(document["issuer"], json!(issuer.issuer()));
            let keys = read(document["jwks_uri"].as_str().expect("an address")).await;
            let token = issuer.token(&json!({ "aud": "quillon", "sub": null }));
            let header = jsonwebtoken::decode_header(&token).expect("a header");
            assert_eq!((&keys["keys"][0]["kid"], issuer.key_reads()), (&json!(header.kid), 1));
            let claims = claims(&token);
            assert_eq!((&claims["aud"], &claims["iss"], claims.get("sub")), (&json!("quillon"), &json!(issuer.issuer()), None));
            assert!(issuer.forged(Forgery::AlgNone, &json!({})).ends_with('.'));
            assert_eq!(client().get(issuer.url()).send().await.expect("an answer").status().as_u16(), 404);
        }
    }
}
