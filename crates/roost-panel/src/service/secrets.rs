//! Secrets: made at random, hashed where they only have to be recognised, sealed where they have to be read again.

use super::{Result, ServiceError};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use aws_lc_rs::{digest, rand};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chacha20poly1305::{
    ChaCha20Poly1305, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use std::{
    fmt::{self, Write},
    sync::Arc,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Bytes of a nonce before the ciphertext.
const NONCE: usize = 12;
/// Passwords that may wait for their turn; further ones are told to come back.
const WAITING: usize = 64;

/// Random bytes.
pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)
        .map_err(|_| ServiceError::Internal("the system gives no random numbers".to_owned()))?;
    Ok(bytes)
}

/// `length` random letters and digits.
pub fn random_alphanumeric(length: usize) -> Result<String> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // Bytes from 248 on are left out: 62 goes into 248 four times, so each character is as likely as the others.
        for byte in random_bytes::<64>()?.into_iter().filter(|b| *b < 248) {
            if text.len() < length {
                text.push(char::from(ALPHABET[usize::from(byte % 62)]));
            }
        }
    }
    Ok(text)
}

/// 256 random bits as 43 characters of base64url.
pub fn random_token() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?))
}

/// A random version 4 UUID.
pub fn random_uuid() -> Result<Uuid> {
    Ok(uuid::Builder::from_random_bytes(random_bytes()?).into_uuid())
}

/// sha256 in hexadecimal. For values of 256 random bits, where nothing slower is needed.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    let mut text = String::with_capacity(64);
    for byte in digest.as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Seals what has to be read again, each under the id of what it belongs to.
pub struct Sealer(ChaCha20Poly1305);

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// With the panel's key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(ChaCha20Poly1305::new(key.into()))
    }

    /// base64 of nonce and ciphertext.
    pub fn seal(&self, owner: Uuid, secret: &str) -> Result<String> {
        let nonce = random_bytes::<NONCE>()?;
        let payload = Payload {
            msg: secret.as_bytes(),
            aad: owner.as_bytes(),
        };
        let sealed = self
            .0
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| ServiceError::Internal("a secret could not be sealed".to_owned()))?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// The secret; fails if it was sealed with another key, for another owner, or was changed.
    pub fn open(&self, owner: Uuid, sealed: &str) -> Result<String> {
        let failed = || {
            ServiceError::Internal(
                "a node's secret can't be opened: the panel's key file is not the one with which it was sealed. Put the \
                 old key file back, or replace the secret with `roost node rotate`"
                    .to_owned(),
            )
        };
        let bytes = STANDARD.decode(sealed).map_err(|_| failed())?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or_else(failed)?;
        let payload = Payload {
            msg: sealed,
            aad: owner.as_bytes(),
        };
        let opened = self
            .0
            .decrypt(&Nonce::from(*nonce), payload)
            .map_err(|_| failed())?;
        String::from_utf8(opened).map_err(|_| failed())
    }
}

/// argon2id on threads of its own, a few at a time, since each takes 19 MiB and some milliseconds of a core.
#[derive(Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// Checked for accounts that don't exist, so that these take as long as others.
    nobody: Arc<str>,
}

impl Passwords {
    /// As many at a time as there are cores.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // A hash of something that nobody knows, with the parameters in use.
        let nobody = random_token()
            .and_then(|secret| hash(&secret))
            .unwrap_or_default();
        Self {
            turns: Arc::new(Semaphore::new(cores)),
            places: Arc::new(Semaphore::new(WAITING)),
            nobody: nobody.into(),
        }
    }

    /// The hash of a new password.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.run(move || hash(&password)).await?
    }

    /// Whether the password fits; without a hash it takes as long and says no.
    pub async fn fits(&self, password: String, hash: Option<String>) -> Result<bool> {
        let nobody = Arc::clone(&self.nobody);
        self.run(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| nobody.to_string());
            let fits = PasswordHash::new(&hash).is_ok_and(|parsed| {
                Argon2::default()
                    .verify_password(password.as_bytes(), &parsed)
                    .is_ok()
            });
            known && fits
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _place = self
            .places
            .try_acquire()
            .map_err(|_| ServiceError::TooMany { seconds: 2 })?;
        let gone = || ServiceError::Internal("the panel is shutting down".to_owned());
        // The turn goes with the work: a caller that leaves does not make room for one more at the same time.
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| gone())?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        })
        .await
        .map_err(|_| gone())
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

fn hash(password: &str) -> Result<String> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| ServiceError::Internal(format!("a password could not be hashed: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_for_its_owner_and_with_its_key() {
        let sealer = Sealer::new(&[7; 32]);
        let (node, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = sealer.seal(node, "the secret").unwrap();
        assert_ne!(sealed, sealer.seal(node, "the secret").unwrap());
        assert_eq!(sealer.open(node, &sealed).unwrap(), "the secret");
        assert!(sealer.open(other, &sealed).is_err());
        assert!(Sealer::new(&[8; 32]).open(node, &sealed).is_err());
        assert!(sealer.open(node, "AAAA").is_err());
    }

    #[test]
    fn random_text_has_its_length_and_alphabet() {
        let text = random_alphanumeric(200).unwrap();
        assert_eq!(text.len(), 200);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(random_token().unwrap().len(), 43);
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[tokio::test]
    async fn a_password_fits_its_hash_and_nobodys_never() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(
            passwords
                .fits("correct horse".into(), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!passwords.fits("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.fits("correct horse".into(), None).await.unwrap());
    }
}
