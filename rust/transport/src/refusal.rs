//! The first packet of a client: whether it is genuine, and the packet that turns a client away with words: quinn's own says nothing, and its client would not know why.

use bytes::BytesMut;
use quinn_proto::crypto::{Keys, ServerConfig};
use quinn_proto::{ConnectionId, crypto};

use crate::invariants::{LongHeader, initial_bounds};

const VERSION_2: u32 = 0x6b33_43cf;
const CONNECTION_CLOSE: u8 = 0x1c;

/// Whether the Initial at the start of `data` decrypts with the keys that its connection id gives. Anybody can make
/// such a packet, but only by doing the same work; what does not authenticate is noise, or was damaged.
pub(crate) fn authenticates(config: &dyn ServerConfig, header: &LongHeader, data: &[u8]) -> bool {
    let Some((number_at, end)) = initial_bounds(data, header) else {
        return false;
    };
    let Ok(keys) = config.initial_keys(header.version, &ConnectionId::new(&header.destination)) else {
        return false;
    };
    let mut packet = data[..end].to_vec();
    if number_at + 4 + keys.header.remote.sample_size() > end {
        return false;
    }
    keys.header.remote.decrypt(number_at, &mut packet);
    let payload_at = number_at + usize::from(packet[0] & 3) + 1;
    let number = packet[number_at..payload_at]
        .iter()
        .fold(0, |value, &byte| value << 8 | u64::from(byte));
    let mut payload = BytesMut::from(&packet[payload_at..]);
    keys.packet
        .remote
        .decrypt(number, &packet[..payload_at], &mut payload)
        .is_ok()
}

/// An Initial packet with CONNECTION_CLOSE (RFC 9000 §17.2.2 and §19.19), for a client that sent `header`.
pub(crate) fn refusal(
    config: &dyn ServerConfig,
    header: &LongHeader,
    source: &[u8],
    code: u8,
    reason: &[u8],
) -> Result<Vec<u8>, crypto::UnsupportedVersion> {
    let Keys {
        header: header_keys,
        packet: packet_keys,
    } = config.initial_keys(header.version, &ConnectionId::new(&header.destination))?;
    let kind = if header.version == VERSION_2 { 0xD0 } else { 0xC0 };
    let mut packet = vec![kind];
    packet.extend_from_slice(&header.version.to_be_bytes());
    sized(&mut packet, &header.source);
    sized(&mut packet, source);
    packet.push(0); // no token
    // Type, code, no frame's fault, and the words; all lengths fit into two bytes, as the words do into a packet.
    let reason = &reason[..reason.len().min(512)];
    let frame = 3 + 2 + reason.len();
    two_bytes(&mut packet, 1 + frame + packet_keys.local.tag_len());
    let number_at = packet.len();
    packet.push(0); // packet number 0
    let header_end = packet.len();
    packet.extend_from_slice(&[CONNECTION_CLOSE, code, 0]);
    two_bytes(&mut packet, reason.len());
    packet.extend_from_slice(reason);
    packet.resize(packet.len() + packet_keys.local.tag_len(), 0);
    packet_keys.local.encrypt(0, &mut packet, header_end);
    header_keys.local.encrypt(number_at, &mut packet);
    Ok(packet)
}

fn sized(packet: &mut Vec<u8>, id: &[u8]) {
    packet.push(id.len() as u8);
    packet.extend_from_slice(id);
}

/// A variable-length integer below 2^14, always in two bytes (RFC 9000 §16).
fn two_bytes(packet: &mut Vec<u8>, value: usize) {
    packet.extend_from_slice(&(0x4000 | value as u16).to_be_bytes());
}
