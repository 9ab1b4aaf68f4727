//! End to end, on a real control plane and real git: one binary, one control plane.

mod support;

mod bad_input;
mod engine;
mod source;
mod sync;
