//! TLS by rustls, with a provider of our own choice, so that none has to be installed for the whole process.

use tokio::net::TcpStream;

use super::dial::DialError;
use super::error::ConnectError;
use crate::config::{RedisConfig, TlsFiles};

#[cfg(feature = "tls")]
pub(crate) use self::by_rustls::{Tls, is_distrust};
#[cfg(not(feature = "tls"))]
pub(crate) use self::unsupported::{Tls, is_distrust};

/// Whether the URL asks for TLS.
///
/// # Errors
///
/// [`ConnectError`] if the files are named and never used, or one of two that belong together is missing.
fn wanted(config: &RedisConfig) -> Result<Option<&TlsFiles>, ConnectError> {
    match (config.url.tls(), &config.tls) {
        (false, files) if *files != TlsFiles::default() => Err(ConnectError::TlsUnused),
        (false, _) => Ok(None),
        (true, files) if files.certificate.is_some() != files.key.is_some() => Err(ConnectError::TlsPair),
        (true, files) => Ok(Some(files)),
    }
}

#[cfg(feature = "tls")]
mod by_rustls {
    use std::io;
    use std::path::Path;
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;

    use super::{ConnectError, DialError, RedisConfig, TcpStream, TlsFiles, wanted};

    /// How to speak TLS.
    #[derive(Clone, Debug)]
    pub(crate) struct Tls {
        config: Arc<ClientConfig>,
    }

    impl Tls {
        /// As the configuration says; `None` without TLS.
        pub(crate) fn of(config: &RedisConfig) -> Result<Option<Self>, ConnectError> {
            wanted(config)?.map(Self::with).transpose()
        }

        fn with(files: &TlsFiles) -> Result<Self, ConnectError> {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let tls = |source: rustls::Error| ConnectError::Tls { source: Arc::new(source) };
            let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let config = config.map_err(tls)?.with_root_certificates(roots(files)?);
            let config = match (&files.certificate, &files.key) {
                (Some(certificate), Some(key)) => {
                    let certificates = certificates("certificate", certificate)?;
                    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("key", error))?;
                    config.with_client_auth_cert(certificates, private).map_err(|error| unusable("key", error))?
                }
                _ => config.with_no_client_auth(),
            };
            Ok(Self { config: Arc::new(config) })
        }

        /// Speaks TLS over a connection to this host.
        pub(crate) async fn over(&self, stream: TcpStream, host: &str) -> Result<TlsStream<TcpStream>, DialError> {
            let name = ServerName::try_from(host.to_owned())
                .map_err(|error| DialError::Never(ConnectError::Tls { source: Arc::new(error) }))?;
            TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await.map_err(DialError::from)
        }
    }

    /// Who is trusted: the authorities of the file, or else those of the system.
    fn roots(files: &TlsFiles) -> Result<RootCertStore, ConnectError> {
        let mut roots = RootCertStore::empty();
        if let Some(ca) = &files.ca {
            for certificate in certificates("ca", ca)? {
                roots.add(certificate).map_err(|error| unusable("ca", error))?;
            }
            return Ok(roots);
        }
        let mut system = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(system.certs);
        match system.errors.pop() {
            Some(error) if added == 0 => Err(ConnectError::Tls { source: Arc::new(error) }),
            _ => Ok(roots),
        }
    }

    fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
        let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
        let certificates = read().map_err(|error| unusable(key, error))?;
        if certificates.is_empty() {
            return Err(unusable(key, io::Error::other("there is no certificate in it")));
        }
        Ok(certificates)
    }

    fn unusable(key: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> ConnectError {
        ConnectError::TlsFile { key, source: Arc::new(error) }
    }

    /// Whether an error is one of TLS itself, not of the network below it.
    pub(crate) fn is_distrust(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
    }
}

#[cfg(not(feature = "tls"))]
mod unsupported {
    use std::future::Ready;
    use std::io;

    use super::{ConnectError, DialError, RedisConfig, TcpStream, wanted};

    /// There is none to come from.
    pub(crate) fn is_distrust(_error: &io::Error) -> bool {
        false
    }

    /// There is none.
    #[derive(Clone, Debug)]
    pub(crate) enum Tls {}

    impl Tls {
        /// An error if the configuration asks for it.
        pub(crate) fn of(config: &RedisConfig) -> Result<Option<Self>, ConnectError> {
            wanted(config)?.map_or(Ok(None), |_| Err(ConnectError::NoTls))
        }

        pub(crate) fn over(&self, _stream: TcpStream, _host: &str) -> Ready<Result<TcpStream, DialError>> {
            match *self {}
        }
    }
}
