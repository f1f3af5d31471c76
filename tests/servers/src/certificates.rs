//! Certificates that servers and clients on loopback show each other.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

/// An authority and what it signed, as files in a folder that is removed when the value is dropped.
#[derive(Debug)]
pub struct Certificates(TempDir);

impl Certificates {
    /// Makes an authority, a certificate for a server at 127.0.0.1 and `localhost`, and one for a client.
    ///
    /// # Panics
    ///
    /// If they cannot be made or written.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("session-certificates-").tempdir().expect("a temporary folder");
        let certificates = Self(folder);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(authority(), key).expect("a certificate");
        fs::write(certificates.authority(), authority.pem()).expect("the folder was just made");
        certificates.sign(&authority, "server", vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
        certificates.sign(&authority, "client", vec!["client.test".to_owned()]);
        certificates
    }

    /// The folder that they are in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The certificate of the authority.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder().join("ca.pem")
    }

    /// The certificate of the server.
    #[must_use]
    pub fn server(&self) -> PathBuf {
        self.folder().join("server.pem")
    }

    /// The private key of the server.
    #[must_use]
    pub fn server_key(&self) -> PathBuf {
        self.folder().join("server.key")
    }

    /// The certificate of the client.
    #[must_use]
    pub fn client(&self) -> PathBuf {
        self.folder().join("client.pem")
    }

    /// The private key of the client.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.folder().join("client.key")
    }

    fn sign(&self, authority: &CertifiedIssuer<'_, KeyPair>, name: &str, hosts: Vec<String>) {
        let mut subject = CertificateParams::new(hosts).expect("plain names");
        subject.distinguished_name.push(DnType::CommonName, name);
        subject.use_authority_key_identifier_extension = true;
        subject.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        subject.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = subject.signed_by(&key, authority).expect("a certificate");
        fs::write(self.folder().join(name).with_extension("pem"), certificate.pem()).expect("the folder is ours");
        fs::write(self.folder().join(name).with_extension("key"), key.serialize_pem()).expect("the folder is ours");
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

fn authority() -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "authority of the tests");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority
}
