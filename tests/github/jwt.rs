//! Verifies the JWT with which an App speaks for itself.
//!
//! The signature is verified for real; the claims are checked by GitHub's rules, in GitHub's words.
//! Source: GitHub documentation, “Generating a JSON Web Token (JWT) for a GitHub App”.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::Value;

use super::answer::Answer;
use super::state::State;

/// Most seconds that `exp` may be ahead.
const LONGEST: i64 = 600;

impl State {
    /// The App that signed this, by its place in the list.
    pub(crate) fn app_of(&self, jwt: &str) -> Result<usize, Answer> {
        let undecodable = || Answer::error(401, "A JSON web token could not be decoded");
        let parts: Vec<&str> = jwt.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(undecodable());
        };
        let json = |part: &str| -> Result<Value, Answer> {
            let bytes = URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_unread| undecodable())?;
            serde_json::from_slice(&bytes).map_err(|_unread| undecodable())
        };
        let (header_json, claims_json) = (json(header)?, json(claims)?);
        if header_json["alg"] != "RS256" {
            return Err(undecodable());
        }
        let issuer = match &claims_json["iss"] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(undecodable()),
        };
        let found = self.apps.iter().position(|app| app.is(&issuer));
        let app = found.ok_or_else(|| Answer::error(404, "Integration not found"))?;
        let signed = jwt.rsplit_once('.').map_or("", |(signed, _)| signed);
        let verified = self.apps[app].keys.iter().any(|key| {
            jsonwebtoken::crypto::verify(
                signature,
                signed.as_bytes(),
                &key.verifier(),
                Algorithm::RS256,
            )
            .unwrap_or(false)
        });
        if !verified {
            return Err(undecodable());
        }
        self.check_times(&claims_json)?;
        Ok(app)
    }

    fn check_times(&self, claims: &Value) -> Result<(), Answer> {
        let now = self.clock.now().as_second();
        let said = match claims["exp"].as_i64() {
            Some(exp) if exp > now + LONGEST => {
                "'Expiration time' claim ('exp') is too far in the future"
            }
            None | Some(..) if claims["exp"].as_i64().is_none_or(|exp| exp <= now) => {
                "'Expiration time' claim ('exp') must be a numeric value representing the future \
                 time at which the assertion expires"
            }
            _ if claims["iat"].as_i64().is_none_or(|iat| iat > now) => {
                "'Issued at' claim ('iat') must be an Integer representing the time that the \
                 assertion was issued"
            }
            _ => return Ok(()),
        };
        Err(Answer::error(401, said))
    }
}
