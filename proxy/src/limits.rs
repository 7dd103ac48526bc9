//! What one client, or all of them, may use at a time.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pingora_limits::inflight::{Guard, Inflight};
use pingora_limits::rate::Rate;

use crate::config::Limits;
use crate::refusal::Refusal;

/// Counters. Zero in [`Limits`] means no limit.
pub struct Limiter {
    limits: Limits,
    connections: Arc<AtomicUsize>,
    per_client: Inflight,
    requests: Inflight,
    new_names: Rate,
}

/// A connection that counts until dropped.
pub struct Connected {
    all: Arc<AtomicUsize>,
    client: Option<Guard>,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that counts until dropped.
pub struct InFlight(#[expect(dead_code, reason = "its drop is what counts")] Option<Guard>);

impl Limiter {
    /// Starts at zero.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            connections: Arc::default(),
            per_client: Inflight::new(),
            requests: Inflight::new(),
            new_names: Rate::new(Duration::from_secs(1)),
        }
    }

    /// The configured numbers.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts a connection, or says which limit it would break.
    pub fn connection(&self, client: IpAddr) -> Result<Connected, &'static str> {
        let all = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let mut connected = Connected { all: self.connections.clone(), client: None };
        if self.limits.max_connections > 0 && all > self.limits.max_connections {
            return Err("too-many-connections");
        }
        if self.limits.max_connections_per_client == 0 {
            return Ok(connected);
        }
        let (guard, now) = self.per_client.incr(client, 1);
        if now > self.limits.max_connections_per_client as isize {
            return Err("too-many-connections-of-client");
        }
        connected.client = Some(guard);
        Ok(connected)
    }

    /// Counts a request.
    pub fn request(&self, client: IpAddr) -> Result<InFlight, Refusal> {
        let most = self.limits.max_requests_in_flight_per_client;
        if most == 0 {
            return Ok(InFlight(None));
        }
        let (guard, now) = self.requests.incr(client, 1);
        if now > most as isize {
            return Err(Refusal::too_many_in_flight(most));
        }
        Ok(InFlight(Some(guard)))
    }

    /// Counts a name for which a certificate has to be made.
    pub fn new_name(&self, client: IpAddr) -> bool {
        let most = self.limits.max_new_names_per_second_per_client;
        most == 0 || self.new_names.observe(&client, 1) <= most as isize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            max_connections: 2,
            max_connections_per_client: 1,
            max_requests_in_flight_per_client: 1,
            max_new_names_per_second_per_client: 1,
            max_request_head_bytes: 0,
            max_connect_head_bytes: 0,
        }
    }

    #[test]
    fn what_is_over_the_limit_is_refused_until_something_ends() {
        let limiter = Limiter::new(limits());
        let (a, b): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = limiter.connection(a).unwrap();
        assert_eq!(limiter.connection(a).err(), Some("too-many-connections-of-client"));
        let _second = limiter.connection(b).unwrap();
        assert_eq!(limiter.connection(b).err(), Some("too-many-connections"));
        drop(first);
        limiter.connection(a).unwrap();

        let request = limiter.request(a).unwrap();
        assert_eq!(limiter.request(a).err().unwrap().code(), "too-many-requests");
        limiter.request(b).unwrap();
        drop(request);
        limiter.request(a).unwrap();
    }
}
