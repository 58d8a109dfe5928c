//! What every version of QUIC has at the start of a long header packet (RFC 8999 §5.1).

/// The parts of a long header that do not depend on the version.
pub(crate) struct LongHeader {
    pub(crate) version: u32,
    pub(crate) destination: Vec<u8>,
    pub(crate) source: Vec<u8>,
}

/// Read them; `None` for a short header, and for a datagram that is too short.
pub(crate) fn long_header(data: &[u8]) -> Option<LongHeader> {
    let (&first, rest) = data.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (destination, rest) = sized(rest)?;
    let (source, _) = sized(rest)?;
    Some(LongHeader {
        version: u32::from_be_bytes(*version),
        destination: destination.to_vec(),
        source: source.to_vec(),
    })
}

fn sized(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = data.split_first()?;
    rest.split_at_checked(length.into())
}

#[cfg(test)]
mod tests {
    use super::long_header;

    #[test]
    fn a_long_header_is_read_and_a_cut_one_is_none() {
        let packet = [0xC0, 0, 0, 0, 1, 2, 7, 8, 1, 9, 0];
        let header = long_header(&packet).expect("a header");
        assert_eq!(
            (header.version, header.destination, header.source),
            (1, vec![7, 8], vec![9])
        );
        for end in 0..9 {
            assert!(long_header(&packet[..end]).is_none(), "{end}");
        }
        assert!(long_header(&[0x40; 20]).is_none());
    }
}
