//! What a run is to do.

use std::net::SocketAddr;

use quicgw_transport::Authority;

use crate::message;

/// How requests are offered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loop {
    /// Each session keeps so many requests under way: the next one leaves when a reply has come.
    Closed {
        /// How many.
        in_flight: u32,
    },
    /// So many requests a second leave in all, whatever comes back; 0 for sessions that only stay.
    Open {
        /// How many.
        rate: f64,
    },
}

/// Where requests go, who sends them, and for how long; times in seconds.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The gateway.
    pub peer: SocketAddr,
    /// The name that its certificate has to carry.
    pub server_name: String,
    /// Certificates that may vouch for it; nothing is checked without.
    pub authorities: Option<Vec<Authority>>,
    /// Openid and token of each session.
    pub clients: Vec<(String, String)>,
    /// UDP sockets, over which the sessions are spread.
    pub sockets: usize,
    /// How requests are offered.
    pub pace: Loop,
    /// What is asked for.
    pub mix: Mix,
    /// The sessions begin spread over so long.
    pub ramp: f64,
    /// Load before anything is measured.
    pub warm_up: f64,
    /// What is measured.
    pub duration: f64,
    /// A session that is not logged in after so long ends the run.
    pub connect_timeout: f64,
    /// A request that has no reply after so long, at the end, has none.
    pub reply_timeout: f64,
}

/// Place of what a service binds to a request (protocol §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Before,
    After,
}

/// One action.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) head: Vec<u8>,
    /// It answers the data that came.
    pub(crate) echoes: bool,
    /// Its service binds notifies, with the request's data in them.
    pub(crate) binds: Option<Bound>,
}

/// Which requests are sent, and how often each.
#[derive(Clone, Debug)]
pub struct Mix {
    pub(crate) kinds: Vec<Kind>,
    sizes: Vec<usize>,
    /// Indices of kinds and sizes in the order in which they are taken: heavier ones more often, evenly spread.
    kind_turns: Vec<usize>,
    size_turns: Vec<usize>,
}

/// What the embedded services answer with the data that came; a service of one's own should do the same.
const ECHOES: [&str; 4] = ["echo", "data_sync", "business_msg", "sleep"];

impl Mix {
    /// Actions and payload sizes with their weights, and the parameters that all requests have. Weights are above 0.
    #[must_use]
    pub fn new(actions: &[(String, u32)], sizes: &[(usize, u32)], params: &[(String, String)]) -> Self {
        let kind = |(action, _): &(String, u32)| {
            let name = action.to_ascii_lowercase();
            let binds = match name.as_str() {
                "before" => Some(Bound::Before),
                "after" => Some(Bound::After),
                _ => None,
            };
            Kind {
                head: message::request_head(action, params),
                echoes: binds.is_some() || ECHOES.contains(&name.as_str()),
                binds,
            }
        };
        Self {
            kinds: actions.iter().map(kind).collect(),
            sizes: sizes.iter().map(|(size, _)| *size).collect(),
            kind_turns: turns(actions.iter().map(|(_, weight)| *weight)),
            size_turns: turns(sizes.iter().map(|(_, weight)| *weight)),
        }
    }

    /// Kind and payload size of the request with this running number.
    pub(crate) fn pick(&self, number: u64) -> (usize, usize) {
        let (kinds, sizes) = (self.kind_turns.len() as u64, self.size_turns.len() as u64);
        let (round, turn) = (number / kinds, number % kinds);
        // Each round begins one size further, so that every kind meets every size.
        let size = self.size_turns[((round + turn) % sizes) as usize];
        (self.kind_turns[turn as usize], self.sizes[size])
    }
}

/// Smooth weighted turns: in each step everybody gains its weight, and who has most pays all of them.
fn turns(weights: impl Iterator<Item = u32>) -> Vec<usize> {
    let weights: Vec<i64> = weights.map(i64::from).collect();
    let all: i64 = weights.iter().sum();
    let mut gained = vec![0; weights.len()];
    (0..all)
        .map(|_| {
            let mut most = 0;
            for at in 0..weights.len() {
                gained[at] += weights[at];
                if gained[at] > gained[most] {
                    most = at;
                }
            }
            gained[most] -= all;
            most
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Mix, turns};

    #[test]
    fn heavier_ones_come_more_often_and_evenly_spread() {
        assert_eq!(turns([5, 1, 1].into_iter()), [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn every_kind_meets_every_size() {
        let named = |name: &str| (name.to_owned(), 1);
        let mix = Mix::new(&[named("echo"), named("time")], &[(8, 1), (64, 1)], &[]);
        let mut met: Vec<_> = (0..4).map(|number| mix.pick(number)).collect();
        met.sort_unstable();
        assert_eq!(met, [(0, 8), (0, 64), (1, 8), (1, 64)]);
    }
}
