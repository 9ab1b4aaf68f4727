//! The fault proxy: does it pass on what it should, and spoil what it is told to?

#![allow(clippy::unwrap_used)]

use std::time::Duration;
use testbed::{ApiFault, ControlPlane, Error, Spawned, eventually};

const SOON: Duration = Duration::from_secs(120);

#[test]
fn it_passes_on_what_it_is_not_told_to_spoil() -> Result<(), Error> {
    let plane = ControlPlane::api_only()?;
    let proxy = plane.proxy()?;
    let kubeconfig = proxy.kubeconfig().to_string_lossy();
    let mark = plane.audit().mark()?;
    let through = |args: &[&str]| plane.kubectl(&[args, &["--kubeconfig", &kubeconfig]].concat());
    through(&["create", "configmap", "a"])?;
    let requests = plane.audit().requests_since(mark, "kubectl/")?;
    assert!(requests.iter().any(|r| r.verb == "create" && r.name == "a" && r.user == "admin"));
    let posted = |call: &testbed::Call| call.method == "POST" && call.in_flight == 1;
    assert!(proxy.calls().iter().any(posted), "{:#?}", proxy.calls());

    let watch = ["get", "configmaps", "--watch", "-o=name", "--kubeconfig", &kubeconfig];
    let watch = Spawned::start(plane.kubectl_command(&watch))?;
    watch.wait_for_line(|line| line == "configmap/a", SOON)?;
    plane.kubectl(&["create", "configmap", "b"])?;
    watch.wait_for_line(|line| line == "configmap/b", SOON)?;
    proxy.end_watches();
    watch.wait_exit(SOON)?;

    let raw = |code: u16, retry_after| {
        proxy.set_fault(ApiFault::Status { code, retry_after });
        testbed::http("GET", &format!("{}/version", proxy.url()), &[], b"").unwrap()
    };
    assert_eq!(raw(429, Some(3)).0, 429);
    assert_eq!(raw(503, None), (503, "service unavailable".to_owned()));
    proxy.set_fault(ApiFault::Cut);
    assert!(through(&["create", "configmap", "cut"]).is_err());
    let is_post = |call: &testbed::Call| call.method == "POST";
    proxy.set_faults(move |call| if is_post(call) { ApiFault::Lose } else { ApiFault::None });
    assert!(through(&["create", "configmap", "lost"]).is_err());
    proxy.set_fault(ApiFault::None);
    assert!(through(&["get", "configmap", "cut"]).is_err());
    through(&["get", "configmap", "lost"])?;

    proxy.set_fault(ApiFault::Hang);
    let get = ["get", "configmap", "a", "-o=name", "--kubeconfig", &kubeconfig];
    let hanging = Spawned::start(plane.kubectl_command(&get))?;
    assert!(hanging.exit_within(Duration::from_millis(500))?.is_none());
    proxy.set_fault(ApiFault::Delay(Duration::from_millis(10)));
    assert!(hanging.wait_exit(SOON)?.success());

    proxy.set_fault(ApiFault::None);
    let watch = ["get", "configmaps", "--watch", "-o=name", "--kubeconfig", &kubeconfig];
    let watch = Spawned::start(plane.kubectl_command(&watch))?;
    watch.wait_for_line(|line| line == "configmap/a", SOON)?;
    eventually(SOON, "its connection to be cut", || {
        proxy.cut_connections();
        watch.exit_within(Duration::from_millis(100)).map(|end| end.map(drop))
    })?;
    plane.compact_etcd()
}
