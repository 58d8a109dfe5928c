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

/// Where the packet number of an Initial begins, and where the packet ends (RFC 9000 §17.2.2).
pub(crate) fn initial_bounds(data: &[u8], header: &LongHeader) -> Option<(usize, usize)> {
    let rest = data.get(7 + header.destination.len() + header.source.len()..)?;
    let (token, rest) = variable(rest)?;
    let rest = rest.get(usize::try_from(token).ok()?..)?;
    let (length, rest) = variable(rest)?;
    let number_at = data.len() - rest.len();
    let end = number_at.checked_add(usize::try_from(length).ok()?)?;
    (end <= data.len()).then_some((number_at, end))
}

/// A variable-length integer (RFC 9000 §16), and what is behind it.
fn variable(data: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, _) = data.split_first()?;
    let (bytes, rest) = data.split_at_checked(1 << (first >> 6))?;
    let value = bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
    Some((value & (u64::MAX >> 2 >> (64 - 8 * bytes.len())), rest))
}

#[cfg(test)]
mod tests {
    use super::{initial_bounds, long_header};

    #[test]
    fn the_bounds_of_an_initial_are_those_that_it_names() {
        let mut packet = vec![0xC0, 0, 0, 0, 1, 0, 0, 2, 9, 9, 0x40, 5];
        packet.extend([0; 7]);
        let header = long_header(&packet).expect("a header");
        assert_eq!(initial_bounds(&packet, &header), Some((12, 17)));
        assert_eq!(initial_bounds(&packet[..16], &header), None);
        assert_eq!(initial_bounds(&packet[..9], &header), None);
    }

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
