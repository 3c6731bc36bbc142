//! Bodies that may hold a secret, sent and received: each is wiped, and leaves no copies behind.

use std::io;

use bytes::Bytes;
use reqwest::Response;
use zeroize::{Zeroize as _, Zeroizing};

/// Why a body cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It ended before its end.
    #[error("it ended too early")]
    Truncated,
    /// It is larger than what was asked for can be.
    #[error("it is larger than any answer this program asks for")]
    TooLarge,
}

/// A JSON body, wiped when the last attempt is over; so is what it was made of.
///
/// # Errors
///
/// As [`serde_json`].
pub fn json_body(mut value: serde_json::Value) -> serde_json::Result<Bytes> {
    let mut counted = Counted(0);
    let text = serde_json::to_writer(&mut counted, &value).and_then(|()| {
        // Its size is known, so that growing leaves no copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(counted.0));
        serde_json::to_writer(&mut *text, &value).map(|()| text)
    });
    wipe(&mut value);
    text.map(Bytes::from_owner)
}

struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wipe(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => text.zeroize(),
        serde_json::Value::Array(values) => values.iter_mut().for_each(wipe),
        serde_json::Value::Object(map) => map.values_mut().for_each(wipe),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// Reads up to so many bytes. A buffer that grows is copied and wiped, where a plain one would leave
/// its old self in freed memory.
///
/// # Errors
///
/// [`BodyError`].
pub async fn whole_body(
    mut response: Response,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let announced = response.content_length().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > most {
        return Err(BodyError::TooLarge);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced.max(SMALL_BODY)));
    loop {
        let chunk = response
            .chunk()
            .await
            .map_err(|_cause| BodyError::Truncated)?;
        let Some(chunk) = chunk else {
            return Ok(body);
        };
        let wanted = body.len() + chunk.len();
        if wanted > most {
            return Err(BodyError::TooLarge);
        }
        if wanted > body.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(wanted.max(2 * body.capacity())));
            larger.extend_from_slice(&body);
            body = larger;
        }
        body.extend_from_slice(&chunk);
    }
}

const SMALL_BODY: usize = 4096;
