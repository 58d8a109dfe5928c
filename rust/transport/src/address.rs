//! Where a connection's peer is: what is believed of it, and how often it may seem to be somewhere else.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Validating an address takes three probe time-outs at most; one without a sample of the round trip is a second.
const LONGEST_VALIDATION: Duration = Duration::from_secs(3);
/// A peer's packets may come from one new address in so long.
const BETWEEN_MOVES: Duration = Duration::from_secs(1);

pub(crate) struct PeerAddress {
    /// Where it is, as far as that is believed.
    pub(crate) believed: SocketAddr,
    /// Where it seems to have moved, and when that will be believed.
    moving: Option<(SocketAddr, Instant)>,
    /// Where the last packets came from that were not from there, and when they began to.
    strange: Option<(SocketAddr, Instant)>,
}

impl PeerAddress {
    pub(crate) fn new(believed: SocketAddr) -> Self {
        Self {
            believed,
            moving: None,
            strange: None,
        }
    }

    /// Whether a datagram comes from yet another address, moments after one from a new one. To each of them quinn sends 1200
    /// bytes to validate it, however little came from there: whoever forges many may do that only now and then.
    pub(crate) fn strays(&mut self, from: SocketAddr, now: Instant) -> bool {
        if from == self.believed {
            return false;
        }
        match self.strange {
            Some((address, _)) if address == from => false,
            Some((_, at)) if now < at + BETWEEN_MOVES => true,
            _ => {
                self.strange = Some((from, now));
                false
            }
        }
    }

    /// Follow a peer that is `seen` elsewhere. quinn goes there at once and validates it then (RFC 9000 §9.3); it does not
    /// tell when it has, but goes back when it could not. So the new address is believed when that would be over.
    pub(crate) fn follow(&mut self, seen: SocketAddr, rtt: Duration, now: Instant) {
        if seen == self.believed {
            self.moving = None;
            return;
        }
        match self.moving {
            Some((address, at)) if address == seen => {
                if at <= now {
                    self.believed = seen;
                    self.moving = None;
                }
            }
            _ => self.moving = Some((seen, now + LONGEST_VALIDATION + 20 * rtt)),
        }
    }

    /// When a new address will be believed.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.moving.map(|(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::PeerAddress;
    use std::net::{Ipv4Addr, SocketAddr};
    use std::time::{Duration, Instant};

    #[test]
    fn one_new_address_in_a_second_is_listened_to() {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut address = PeerAddress::new(at(1));
        assert!(!address.strays(at(1), start));
        assert!(!address.strays(at(2), start));
        assert!(address.strays(at(3), start));
        assert!(!address.strays(at(2), start), "where it has gone");
        assert!(!address.strays(at(1), start), "where it is believed to be");
        assert!(!address.strays(at(3), start + second));
        address.follow(at(3), Duration::ZERO, start + second);
        address.follow(at(3), Duration::ZERO, start + 4 * second);
        assert_eq!(address.believed, at(3));
    }
}
