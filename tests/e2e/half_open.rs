//! A connection that is open and dead: nothing but its silence tells.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Daemon, Fixture, config_map, plane};

/// Takes connections to a server until it is dropped by the end of the process. What was open when
/// it is told to freeze stays open and passes nothing on any more.
struct Proxy {
    address: String,
    frozen: Arc<AtomicBool>,
}

impl Proxy {
    fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let frozen = Arc::new(AtomicBool::new(false));
        let (server, switch) = (server.to_owned(), frozen.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                // Only what is open by then freezes.
                let dies = (!switch.load(Ordering::SeqCst)).then(|| switch.clone());
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap(), dies.clone());
                thread::spawn(move || pump(client, server, dies));
                thread::spawn(move || pump(back.0, back.1, back.2));
            }
        });
        Self { address, frozen }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, frozen: Option<Arc<AtomicBool>>) {
    let mut buffer = [0; 16384];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        while frozen.as_ref().is_some_and(|frozen| frozen.load(Ordering::SeqCst)) {
            thread::sleep(Duration::from_millis(100));
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
}

#[test]
#[ignore = "waits until the silence of a watch has lasted too long: SOAK=1 cargo test -- --ignored"]
fn a_watch_that_is_silent_for_too_long_is_opened_again() {
    let test = Fixture::new("halfopen");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let kubeconfig = std::fs::read_to_string(plane().kubeconfig()).unwrap();
    let server = kubeconfig.split("https://").nth(1).unwrap().split('"').next().unwrap();
    let proxy = Proxy::start(server);
    let behind = test.data.path().join("kubeconfig");
    std::fs::write(&behind, kubeconfig.replace(server, &proxy.address)).unwrap();
    let daemon: Daemon = test.run_as(&behind, &["--interval", "1h"]);
    daemon.line(&["INFO Synced", "created=1"]);
    proxy.frozen.store(true, Ordering::SeqCst);
    test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"2\"}}"]);
    let reverted = |line: &str| line.contains("Drift reverted") && line.contains("found=\"2\"");
    daemon.0.wait_for_line(reverted, Duration::from_mins(5)).unwrap();
    test.expect("configmap/a", ".data.key", "1");
}
