//! Whom a client trusts.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::config::Authority;
use crate::event::Distrust;

/// What was found wrong, for who wants to tell its user more than TLS tells: an alert has one number for most of it.
pub(crate) type Finding = Arc<OnceLock<Distrust>>;

/// Trusts what somebody known vouches for.
#[derive(Debug)]
pub(crate) struct Known {
    verifier: Arc<WebPkiServerVerifier>,
    authorities: Vec<Authority>,
    finding: Finding,
}

impl Known {
    pub(crate) fn new(
        verifier: Arc<WebPkiServerVerifier>,
        authorities: Vec<Authority>,
        finding: Finding,
    ) -> Self {
        Self {
            verifier,
            authorities,
            finding,
        }
    }
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // webpki takes no certificate of an authority for that of a server. Self-signed ones are both, though, as the usual
        // tools make them: who names one as its authority trusts it.
        let pinned = self
            .authorities
            .iter()
            .find(|one| one.der == end_entity.as_ref())
            .and_then(|one| one.own);
        let verified = match pinned {
            Some(pinned) => verify_pinned(pinned, end_entity, server_name, now),
            None => self
                .verifier
                .verify_server_cert(end_entity, intermediates, server_name, ocsp, now),
        };
        if let Err(Error::InvalidCertificate(why)) = &verified
            && let Some(distrust) = distrust(why)
        {
            // One handshake looks at one certificate: nothing was found before.
            let _ = self.finding.set(distrust);
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn verify_pinned(
    (from, until): (i64, i64),
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < from {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > until {
        return Err(CertificateError::Expired.into());
    }
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    Ok(ServerCertVerified::assertion())
}

fn distrust(why: &CertificateError) -> Option<Distrust> {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Some(Distrust::Expired),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Some(Distrust::NotYetValid)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Some(Distrust::AnotherName)
        }
        // One of an authority that nobody named is in the place of a server's: it is self-signed.
        CertificateError::UnknownIssuer | CertificateError::Other(_) => Some(Distrust::UnknownAuthority),
        _ => None,
    }
}

/// Trusts any certificate, as its owner asked for; that its sender has the key is still checked.
#[derive(Debug)]
pub(crate) struct Anybody(Arc<CryptoProvider>);

impl Anybody {
    pub(crate) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self(provider)
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
