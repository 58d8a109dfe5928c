//! The data of requests, by which their echoes are known.

use crate::breach::Breach;

/// Bytes of a request's number, with which its data begin.
const STAMP: usize = 8;

/// The data of a request: its number, then a pattern that begins elsewhere for each.
pub(crate) fn fill(data: &mut Vec<u8>, seq: u64, size: usize) {
    data.clear();
    data.extend((0..size).map(|at| byte(seq, at)));
}

fn byte(seq: u64, at: usize) -> u8 {
    match seq.to_be_bytes().get(at) {
        Some(byte) => *byte,
        None => (seq as usize).wrapping_add(at) as u8,
    }
}

/// Compare what came back with what was sent.
pub(crate) fn check(seq: u64, sent: usize, data: &[u8]) -> Result<(), Breach> {
    let differs = data
        .iter()
        .enumerate()
        .position(|(at, came)| *came != byte(seq, at));
    match differs {
        None if data.len() == sent => Ok(()),
        _ => Err(Breach::Echo {
            seq,
            sent,
            came: data.len(),
            differs_at: differs.unwrap_or(data.len().min(sent)),
        }),
    }
}

/// The number of the request to which data belong.
pub(crate) fn number(data: &[u8]) -> Option<u64> {
    data.first_chunk::<STAMP>()
        .map(|stamp| u64::from_be_bytes(*stamp))
}
