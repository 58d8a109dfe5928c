//! What the owner decides about QUIC and TLS, and how quinn and rustls are told.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::crypto::HandshakeTokenKey;
use quinn_proto::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn_proto::{EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::budget::CpuLimits;
use crate::certificate::{Anybody, Finding, Known};
use crate::congestion::Congestion;
use crate::ids::Ids;
use crate::pressure::Marks;

/// Streams that a client may open: its own, and one more to be told with words that there is one. quinn makes room for
/// all of them at once, in tables that every connection carries.
const BIDIRECTIONAL: u32 = 2;
/// The same of those that only send, of which there is none.
const UNIDIRECTIONAL: u32 = 1;
/// Bytes of UDP payload that every path carries (RFC 9000 §14).
const SMALLEST_PATH: u16 = 1200;
/// The same of a path of Ethernet, also over IPv6.
const USUAL_PATH: u16 = 1452;

/// Bounds of one endpoint's connections; sizes in bytes, times in seconds.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A connection of which nothing is heard for so long ends.
    pub idle_timeout: f64,
    /// What a peer may send on its stream beyond what was read.
    pub stream_window: u32,
    /// The same of the whole connection.
    pub connection_window: u32,
    /// Unacknowledged bytes above which the stall clock runs.
    pub high_water: usize,
    /// Unacknowledged bytes at which there is room again.
    pub low_water: usize,
    /// Above the high mark without progress for so long, a peer has stalled.
    pub stall_timeout: f64,
    /// Longest datagram that is taken.
    pub max_datagram: u16,
    /// TLS bytes of one encryption level that are kept at most.
    pub max_crypto: usize,
    /// Datagrams of one connection that are read before its handshake is complete.
    pub early_datagrams: u32,
    /// Processor time of one peer.
    pub cpu: CpuLimits,

    /// Whether packets of unknown connections are answered with a stateless reset.
    pub stateless_reset: bool,
}

impl Limits {
    pub(crate) fn marks(&self) -> Marks {
        Marks {
            high: self.high_water,
            low: self.low_water,
            stall: Duration::from_secs_f64(self.stall_timeout),
        }
    }

    fn transport(&self, server: bool) -> Result<TransportConfig, ConfigError> {
        let mut transport = TransportConfig::default();
        let idle = IdleTimeout::try_from(Duration::from_secs_f64(self.idle_timeout))
            .map_err(|_| ConfigError::Limit("idle_timeout"))?;
        transport
            .max_idle_timeout(Some(idle))
            .max_concurrent_bidi_streams(VarInt::from_u32(BIDIRECTIONAL * u32::from(server)))
            .max_concurrent_uni_streams(VarInt::from_u32(UNIDIRECTIONAL * u32::from(server)))
            .stream_receive_window(VarInt::from_u32(self.stream_window))
            .receive_window(VarInt::from_u32(self.connection_window))
            // The owner bounds what it writes by what is unacknowledged; quinn's own bound would hide that.
            .send_window(u64::MAX >> 2)
            .datagram_receive_buffer_size(None)
            .crypto_buffer_size(self.max_crypto)
            .initial_rtt(Duration::from_millis(100))
            .congestion_controller_factory(Arc::new(Congestion::default()))
            .mtu_discovery_config(Some(mtu_discovery()));
        Ok(transport)
    }
}

/// What a listener shows to its clients.
pub struct ServerSettings {
    /// The chain, DER, its own certificate first.
    pub certificates: Vec<Vec<u8>>,
    /// PKCS #8, DER.
    pub private_key: Vec<u8>,
    /// Application protocols, in order of preference.
    pub alpn: Vec<Vec<u8>>,
}

/// A certificate that is trusted.
#[derive(Clone, Debug)]
pub struct Authority {
    /// DER.
    pub der: Vec<u8>,
    /// The first and the last second since 1970 in which it is valid, of one that may be the server's own.
    pub own: Option<(i64, i64)>,
}

/// What a client asks of the server that it dials.
pub struct ClientSettings {
    /// The name that the certificate has to carry.
    pub server_name: String,
    /// Certificates that may vouch for it; nothing is checked without.
    pub authorities: Option<Vec<Authority>>,
    /// Application protocols, in order of preference.
    pub alpn: Vec<Vec<u8>>,
}

/// What cannot be configured so.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A limit that QUIC cannot express.
    #[error("{0} is more than QUIC can express")]
    Limit(&'static str),
    /// TLS does not take the certificate, the key or the authorities.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// Nobody could vouch for the server.
    #[error("authorities: {0}")]
    Authorities(#[from] rustls::client::VerifierBuilderError),
    /// The key is no PKCS #8.
    #[error("the private key is not PKCS #8: {0}")]
    Key(&'static str),
    /// TLS has no cipher for QUIC's first packets.
    #[error(transparent)]
    Cipher(#[from] NoInitialCipherSuite),
    /// A datagram size that QUIC does not allow.
    #[error("max_datagram: {0}")]
    Datagram(#[from] quinn_proto::ConfigError),
}

pub(crate) fn endpoint(limits: &Limits, reset_key: &[u8], ids: Ids) -> Result<EndpointConfig, ConfigError> {
    let key = ::ring::hmac::Key::new(::ring::hmac::HMAC_SHA256, reset_key);
    let mut config = EndpointConfig::new(Arc::new(key));
    config
        .cid_generator(move || Box::new(ids.clone()))
        .max_udp_payload_size(limits.max_datagram)?
        .supported_versions(vec![1])
        .min_reset_interval(Duration::ZERO); // the owner bounds how many there are
    Ok(config)
}

/// `token_key` is the secret of Retry tokens: one that a client was given under another configuration stays good.
pub(crate) fn server(
    settings: ServerSettings,
    limits: &Limits,
    token_key: Arc<dyn HandshakeTokenKey>,
) -> Result<quinn_proto::ServerConfig, ConfigError> {
    let chain = settings
        .certificates
        .into_iter()
        .map(CertificateDer::from)
        .collect();
    let key = PrivateKeyDer::try_from(settings.private_key).map_err(ConfigError::Key)?;
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = settings.alpn;
    tls.send_tls13_tickets = 0; // no resumption: there would be early data, which can be replayed
    tls.max_early_data_size = 0;
    let mut config = quinn_proto::ServerConfig::new(Arc::new(QuicServerConfig::try_from(tls)?), token_key);
    config.transport_config(Arc::new(limits.transport(true)?));
    Ok(config)
}

/// A secret of Retry tokens for one endpoint.
pub(crate) fn token_key() -> Result<Arc<dyn HandshakeTokenKey>, ConfigError> {
    let mut secret = [0; 64];
    provider()
        .secure_random
        .fill(&mut secret)
        .map_err(|_| rustls::Error::FailedToGetRandomBytes)?;
    Ok(Arc::new(
        ::ring::hkdf::Salt::new(::ring::hkdf::HKDF_SHA256, &[]).extract(&secret),
    ))
}

/// The configuration, and where what is found wrong with the server's certificate is kept.
pub(crate) fn client(
    settings: ClientSettings,
    limits: &Limits,
) -> Result<(quinn_proto::ClientConfig, Finding), ConfigError> {
    let finding = Finding::default();
    let verifier: Arc<dyn ServerCertVerifier> = match settings.authorities {
        Some(authorities) => {
            let mut roots = rustls::RootCertStore::empty();
            for authority in &authorities {
                roots.add(CertificateDer::from(authority.der.as_slice()))?;
            }
            let known = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
            Arc::new(Known::new(known, authorities, Arc::clone(&finding)))
        }
        None => Arc::new(Anybody::new(provider())),
    };
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous() // which is rustls' word for a verifier of one's own
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    tls.alpn_protocols = settings.alpn;
    tls.resumption = rustls::client::Resumption::disabled();
    let mut config = quinn_proto::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(Arc::new(limits.transport(false)?));
    Ok((config, finding))
}

/// One probe of what most paths carry, and only where that is lost another one half-way, instead of half a dozen that
/// close in on the exact size: each is a datagram of padding, which costs both sides as much as dozens of requests.
fn mtu_discovery() -> MtuDiscoveryConfig {
    let mut config = MtuDiscoveryConfig::default();
    config
        .upper_bound(USUAL_PATH)
        .minimum_change((USUAL_PATH - SMALLEST_PATH) / 2 + 1);
    config
}

/// With AES-128 first: its hash is SHA-256, which processors have instructions for. SHA-384, that of AES-256, takes as
/// long for the key schedule of a handshake as the signature does. A server takes what its client likes best.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![
        TLS13_AES_128_GCM_SHA256,
        TLS13_AES_256_GCM_SHA384,
        TLS13_CHACHA20_POLY1305_SHA256,
    ];
    Arc::new(provider)
}
