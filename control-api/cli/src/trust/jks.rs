//! A Java trust store in the JKS format, which every Java since 1.2 reads and which needs no `keytool` to write.
//!
//! Layout: magic, version 2, the number of entries; per entry the tag 2 (trusted certificate), an alias, a time and
//! the certificate with its type; at the end SHA-1 over the password in UTF-16BE, a fixed phrase, and all before.

use rustls_pki_types::CertificateDer;
use sha1::{Digest, Sha1};

const MAGIC: u32 = 0xFEED_FEED;
const VERSION: u32 = 2;
const TRUSTED_CERTIFICATE: u32 = 2;
const PHRASE: &[u8] = b"Mighty Aphrodite";

/// A store of trusted certificates, aliases `centaur-0` and up.
pub(super) fn trust_store(roots: &[CertificateDer<'_>], password: &str) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(MAGIC.to_be_bytes());
    out.extend(VERSION.to_be_bytes());
    out.extend((roots.len() as u32).to_be_bytes());
    for (index, root) in roots.iter().enumerate() {
        out.extend(TRUSTED_CERTIFICATE.to_be_bytes());
        text(&mut out, &format!("centaur-{index}"));
        // The time of entry, which nothing checks; fixed, so that the same roots give the same bytes.
        out.extend(0_u64.to_be_bytes());
        text(&mut out, "X.509");
        out.extend((root.len() as u32).to_be_bytes());
        out.extend_from_slice(root);
    }
    let mut digest = Sha1::new();
    for unit in password.encode_utf16() {
        digest.update(unit.to_be_bytes());
    }
    digest.update(PHRASE);
    digest.update(&out);
    let digest = digest.finalize();
    out.extend_from_slice(&digest);
    out
}

/// `DataOutput.writeUTF` for ASCII.
fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_ends_in_a_digest_that_depends_on_the_password() {
        let roots = [CertificateDer::from(vec![1, 2, 3])];
        let (a, b) = (trust_store(&roots, "changeit"), trust_store(&roots, "other"));
        assert_eq!(a.len(), 12 + 4 + 11 + 8 + 7 + 4 + 3 + 20);
        assert_eq!(a[..a.len() - 20], b[..b.len() - 20]);
        assert_ne!(a[a.len() - 20..], b[b.len() - 20..]);
    }
}
