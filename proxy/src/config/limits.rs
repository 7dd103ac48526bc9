//! `proxy.timeouts` and `proxy.limits`, which the reference does not have.

use std::time::Duration;

use centaur_policies::yaml::{Cursor, Fields};

use super::env::Context;
use super::{Limits, Timeouts, tables};

impl Default for Timeouts {
    /// Longer than any honest client needs, short enough that idle ones do not pile up.
    fn default() -> Self {
        Self {
            tls_handshake: Duration::from_secs(10),
            request_head: Duration::from_secs(15),
            tunnel_first_byte: Duration::from_secs(15),
            idle_keep_alive: Duration::from_mins(2),
            idle_tunnel: Duration::from_hours(1),
            stalled_body: Duration::from_mins(5),
            dial: Duration::from_secs(30),
            shutdown: Duration::from_secs(10),
        }
    }
}

impl Default for Limits {
    /// One proxy serves one sandbox, so the limits keep a runaway client from exhausting the machine rather than
    /// clients from each other.
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_client: 0,
            max_requests_in_flight_per_client: 1_000,
            max_new_names_per_second_per_client: 100,
            max_request_head_bytes: 1 << 20,
            max_connect_head_bytes: 64 << 10,
        }
    }
}

pub(super) fn timeouts(section: Option<Cursor<'_>>, context: Context<'_>) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let Some(fields) = section.and_then(|cursor| cursor.fields(&tables::TIMEOUTS)) else { return timeouts };
    let places = [
        ("tls_handshake", &mut timeouts.tls_handshake),
        ("request_head", &mut timeouts.request_head),
        ("tunnel_first_byte", &mut timeouts.tunnel_first_byte),
        ("idle_keep_alive", &mut timeouts.idle_keep_alive),
        ("idle_tunnel", &mut timeouts.idle_tunnel),
        ("stalled_body", &mut timeouts.stalled_body),
        ("dial", &mut timeouts.dial),
        ("shutdown", &mut timeouts.shutdown),
    ];
    for (key, place) in places {
        let Some(duration) = fields.key(key).and_then(|cursor| cursor.duration()) else { continue };
        match duration.to_std().filter(|duration| !duration.is_zero()) {
            Some(positive) => *place = positive,
            None => context.invalid(format!("proxy.timeouts.{key} must be positive; got {duration}")),
        }
    }
    timeouts
}

pub(super) fn limits(section: Option<Cursor<'_>>, context: Context<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(fields) = section.and_then(|cursor| cursor.fields(&tables::LIMITS)) else { return limits };
    let places = [
        ("max_connections", &mut limits.max_connections),
        ("max_connections_per_client", &mut limits.max_connections_per_client),
        ("max_requests_in_flight_per_client", &mut limits.max_requests_in_flight_per_client),
        ("max_new_names_per_second_per_client", &mut limits.max_new_names_per_second_per_client),
        ("max_request_head_bytes", &mut limits.max_request_head_bytes),
        ("max_connect_head_bytes", &mut limits.max_connect_head_bytes),
    ];
    for (key, place) in places {
        read_limit(&fields, key, place, context);
    }
    limits
}

fn read_limit(fields: &Fields<'_>, key: &str, place: &mut usize, context: Context<'_>) {
    let Some(number) = fields.key(key).and_then(|cursor| cursor.int()) else { return };
    match usize::try_from(number) {
        Ok(limit) => *place = limit,
        Err(_) => context.invalid(format!("proxy.limits.{key} must not be negative; got {number}")),
    }
}
