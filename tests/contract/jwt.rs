//! The App's JWT, verified by others.

use broker_clock::{Clock as _, SystemClock};
use broker_github::AppJwt;
use broker_github::app_jwt::PemSigner;
use broker_secret_memory::token::AccessToken;
use serde_json::json;
use support::github::AppKey;
use support::needs;

use crate::script;

#[test]
fn pyjwt_and_node_verify_the_jwt_of_the_broker() {
    let Some(tools) = needs::conformance_tools() else {
        return;
    };
    let key = AppKey::generate();
    let signer = PemSigner::read(&AccessToken::new(key.pem().to_owned())).unwrap();
    assert_eq!(signer.fingerprint(), key.fingerprint());
    let now = SystemClock::new().unwrap().now().wall;
    let jwt = AppJwt::sign(&signer, "Iv23liChecked", now).unwrap();
    let told = json!({"jwt": jwt.expose(), "public_pem": key.public_pem()});
    for script in ["verify_jwt.py", "verify_jwt.mjs"] {
        let said = script::run(&tools, script, &told);
        assert_eq!(said["header"]["alg"], "RS256", "{script}");
        let claims = &said["claims"];
        assert_eq!(claims["iss"], "Iv23liChecked", "{script}");
        let life = claims["exp"].as_i64().unwrap() - now.as_second();
        assert!((1..=600).contains(&life), "{script}: {life} s");
        assert!(
            claims["iat"].as_i64().unwrap() <= now.as_second(),
            "{script}"
        );
    }
}
