//! End to end, on a real control plane and real git: one binary, one control plane.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

mod accidents;
mod adopt;
mod app_file;
mod approvals;
mod apps;
mod atomic;
mod attacks;
mod bad_input;
mod chart;
mod conflicts;
mod crd;
mod deletion;
mod drift;
mod election;
mod engine;
mod events;
mod faults;
mod foreign;
mod guard;
mod half_open;
mod hooks;
mod install;
mod large;
mod moves;
mod namespaces;
mod never_sticks;
mod object;
mod oci;
mod ordinary;
mod phantom;
mod policy;
mod pressure;
mod render;
mod replace;
mod resource;
mod revisions;
mod source;
mod stages;
mod sync;
mod takeover;
mod tenancy;
mod transports;
mod twins;
mod verbs;
mod verify;
mod yaml;
