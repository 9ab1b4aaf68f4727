//! End to end, on a real control plane and real git: one binary, one control plane.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

mod atomic;
mod bad_input;
mod crd;
mod drift;
mod engine;
mod events;
mod faults;
mod foreign;
mod half_open;
mod install;
mod namespaces;
mod ordinary;
mod policy;
mod pressure;
mod source;
mod sync;
mod takeover;
mod twins;
mod yaml;
