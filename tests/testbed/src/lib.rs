//! A real Kubernetes control plane and a real git server, for the tests, the demo and the
//! benchmark.
//!
//! Nothing here stands in for anything: [`ControlPlane`] runs etcd, kube-apiserver,
//! kube-controller-manager, kube-scheduler and kwok, at the versions that
//! `tests/controlplane/go.mod` pins; [`GitServer`] serves bare repositories through `git
//! http-backend`. [`Programs`] finds the programs, or builds them once with Go.
//!
//! Every process started here dies with the process that started it, also when that one is killed.

mod api_client;
mod api_fault;
mod api_proxy;
mod audit;
mod cache;
mod cargo_bin;
mod chart_server;
mod command;
mod console;
mod control_plane;
mod error;
mod fault;
mod folders;
mod git;
mod git_backend;
mod git_server;
mod go;
mod http;
mod kubeconfig;
mod lock;
mod loopback;
mod node;
mod pki;
mod ports;
mod programs;
mod proxy_server;
mod registry;
mod repo;
mod rogue;
mod site;
mod spawned;
mod spawner;
mod sshd;
mod stand_in;
mod tls_front;
mod token_front;
mod tool;
mod wait;

pub use api_fault::{ApiFault, Call};
pub use api_proxy::ApiProxy;
pub use audit::{ApiRequest, Audit, Mark};
pub use cargo_bin::build_bin;
pub use chart_server::ChartServer;
pub use control_plane::ControlPlane;
pub use error::Error;
pub use fault::Fault;
pub use git_server::GitServer;
pub use http::http;
pub use programs::Programs;
pub use proxy_server::{ProxyKind, ProxyServer};
pub use registry::Registry;
pub use repo::Repo;
pub use rogue::{RogueAnswer, RogueServer};
pub use rustix::process::Signal;
pub use site::User;
pub use spawned::Spawned;
pub use sshd::{Sshd, may_skip, rsa_key};
pub use stand_in::{Asked, StandIn};
pub use tls_front::TlsFront;
pub use token_front::TokenFront;
pub use tool::Tool;
pub use wait::eventually;
