//! Loopback ports for programs that must be told one.

use crate::Error;
use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Below the ports that systems hand out for outgoing connections: a client that retries against a
/// stopped API server may otherwise be given that very port and connect to itself.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port that was free just now. Processes begin at different places, so that they seldom try the
/// same one.
pub(crate) fn free_port() -> Result<u16, Error> {
    let begin = process::id().wrapping_mul(101);
    (0..COUNT)
        .map(|_| FIRST + begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| Error::Invalid("no loopback port from 20000 to 31999 is free".to_owned()))
}
