//! A server that has too much to do, or that hangs at one kind alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use testbed::{ApiFault, Call, Signal, eventually};

use crate::support::{DEADLINE, Fixture, config_map, plane};

fn is_apply_of(call: &Call, plural: &str) -> bool {
    call.method == "PATCH" && call.uri.contains(&format!("/{plural}/"))
}

#[test]
fn what_is_too_much_for_the_server_is_tried_again_with_less_in_flight() {
    let test = Fixture::new("toomuch");
    for n in 0..200 {
        test.repo.write(&format!("apps/{n}.yaml"), config_map(&format!("c{n}"), "1")).unwrap();
    }
    test.repo.commit("Two hundred").unwrap();
    let proxy = plane().proxy().unwrap();
    let applies = || {
        let mut calls = proxy.calls();
        calls.retain(|call| is_apply_of(call, "configmaps"));
        calls
    };
    let highest = |calls: &[Call]| calls.iter().map(|call| call.in_flight).max().unwrap_or(0);
    let wait_for = |what: &str, in_flight: usize, from: usize| {
        eventually(DEADLINE, what, || {
            let highest = highest(applies().get(from..).unwrap_or_default());
            if highest >= in_flight { Ok(Some(())) } else { Err(highest) }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    };
    // However slow a machine is, so many are sent before the first one is answered.
    proxy.set_faults(
        |call| {
            if is_apply_of(call, "configmaps") { ApiFault::Hang } else { ApiFault::None }
        },
    );
    let daemon = test.run_as(proxy.kubeconfig(), &["--interval", "1h"]);
    wait_for("many in flight", 16, 0);
    let (writes, refused) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&refused);
    proxy.set_faults(move |call| {
        if !is_apply_of(call, "configmaps") {
            return ApiFault::None;
        }
        match writes.fetch_add(1, Ordering::SeqCst) {
            n if (40..160).contains(&n) && n.is_multiple_of(3) => {
                counter.fetch_add(1, Ordering::SeqCst);
                ApiFault::too_many(1)
            }
            n if n >= 200 => ApiFault::Hang,
            // Long enough that more would be in flight, if more might be.
            n if n >= 110 => ApiFault::Delay(Duration::from_millis(100)),
            _ => ApiFault::Delay(Duration::from_millis(10)),
        }
    });
    eventually(DEADLINE, "the end of the refusals", || {
        Ok::<_, String>((applies().len() > 200).then_some(()))
    })
    .unwrap();
    let low = highest(&applies()[110..160]);
    assert!(low <= 8, "{low} in flight");
    wait_for("more in flight again", low + 1, 200);
    proxy.set_fault(ApiFault::None);
    let line = daemon.0.wait_for_line(|line| line.contains("Synced"), DEADLINE);
    let line = line.unwrap();
    assert!(line.contains("INFO Synced") && line.contains("created=200"), "{line}");
    assert_eq!(applies().len(), 240, "each refused one is tried again");
    assert_eq!(refused.load(Ordering::SeqCst), 40);
    let counted = daemon.metrics();
    assert!(
        counted.contains("gitops_sync_api_requests_total{code=\"429\",verb=\"apply\"} 40"),
        "{counted}"
    );
}

#[test]
fn as_many_are_in_flight_as_may_be_and_no_more() {
    let test = Fixture::new("parallel");
    for n in 0..40 {
        test.repo.write(&format!("apps/{n}.yaml"), config_map(&format!("c{n}"), "1")).unwrap();
    }
    test.repo.commit("Forty").unwrap();
    let proxy = plane().proxy().unwrap();
    let applies = || {
        let mut calls = proxy.calls();
        calls.retain(|call| is_apply_of(call, "configmaps"));
        calls
    };
    proxy.set_faults(
        |call| {
            if is_apply_of(call, "configmaps") { ApiFault::Hang } else { ApiFault::None }
        },
    );
    let daemon = test.run_as(proxy.kubeconfig(), &["--parallel", "4", "--interval", "1h"]);
    eventually(DEADLINE, "four at once", || Ok::<_, String>((applies().len() >= 4).then_some(())))
        .unwrap();
    proxy.set_fault(ApiFault::Delay(Duration::from_millis(5)));
    daemon.line(&["INFO Synced", "created=40"]);
    let highest = applies().iter().map(|call| call.in_flight).max();
    assert_eq!(highest, Some(4));
}

#[test]
fn a_kind_that_hangs_or_fails_holds_up_no_other() {
    let test = Fixture::new("hangs");
    let account = |n| format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: a{n}}}\n");
    for n in 0..10 {
        test.repo.write(&format!("apps/a{n}.yaml"), account(n)).unwrap();
        test.repo.write(&format!("apps/c{n}.yaml"), config_map(&format!("c{n}"), "1")).unwrap();
    }
    test.repo.commit("Accounts come in the stage before").unwrap();
    let proxy = plane().proxy().unwrap();
    let spoil = |fault: ApiFault| {
        proxy.set_faults(move |call| {
            if is_apply_of(call, "serviceaccounts") { fault.clone() } else { ApiFault::None }
        });
    };
    spoil(ApiFault::Hang);
    let daemon = test.run_as(
        proxy.kubeconfig(),
        &["--request-timeout", "1s", "--parallel", "4", "--interval", "1s"],
    );
    daemon.line(&["Synced in part", "created=10", "failed=10"]);
    daemon.line(&["serviceaccount/a0", "did not answer within 1 s, though it answers others"]);
    drop(daemon);
    spoil(ApiFault::status(500));
    let daemon = test.run_as(proxy.kubeconfig(), &[]);
    daemon.line(&["Synced in part", "unchanged=10", "failed=10"]);
    let commit = test.commit(&[("apps/c0.yaml", &config_map("c0", "2"))]);
    daemon.line(&["Synced in part", &commit, "configured=1 unchanged=9", "failed=10"]);
    spoil(ApiFault::None);
    daemon.line(&["INFO Synced", "failed=0"]);
}

#[test]
fn it_ends_in_time_whatever_it_waits_for() {
    let test = Fixture::new("ending");
    for n in 0..40 {
        test.repo.write(&format!("apps/{n}.yaml"), config_map(&format!("c{n}"), "1")).unwrap();
    }
    test.repo.commit("Forty").unwrap();
    let proxy = plane().proxy().unwrap();
    let check = |fault: ApiFault, is_meant: fn(&Call) -> bool| {
        let (mark, spoiled) = (proxy.calls().len(), fault.clone());
        proxy.set_faults(move |call| if is_meant(call) { fault.clone() } else { ApiFault::None });
        let daemon = test.run_as(proxy.kubeconfig(), &[]);
        eventually(DEADLINE, "the fault", || {
            let is_hit = proxy.calls()[mark..].iter().any(|call| call.fault == spoiled);
            Ok::<_, String>(is_hit.then_some(()))
        })
        .unwrap();
        daemon.0.signal(Signal::TERM).unwrap();
        let status = daemon.0.wait_exit(Duration::from_secs(30)).unwrap();
        assert!(status.success(), "{spoiled:?}: {:#?}", daemon.0.lines());
        daemon.line(&["Sync stopped"]);
        daemon.line(&["INFO Stopped"]);
    };
    check(ApiFault::too_many(3600), |call| is_apply_of(call, "configmaps"));
    check(ApiFault::Hang, |call| call.uri.contains("/secrets/"));
}

#[test]
fn who_waits_for_a_turn_too_long_is_not_taken_for_one_that_hangs() {
    let test = Fixture::new("turns");
    for n in 0..30 {
        test.repo.write(&format!("apps/{n}.yaml"), config_map(&format!("c{n}"), "1")).unwrap();
    }
    test.repo.commit("Thirty").unwrap();
    let proxy = plane().proxy().unwrap();
    let writes = AtomicUsize::new(0);
    proxy.set_faults(move |call| match is_apply_of(call, "configmaps") {
        true if writes.fetch_add(1, Ordering::SeqCst) < 40 => ApiFault::too_many(1),
        // It always answers, and soon enough.
        true => ApiFault::Delay(Duration::from_millis(400)),
        false => ApiFault::None,
    });
    let daemon = test.run_as(proxy.kubeconfig(), &["--request-timeout", "2s", "--interval", "1s"]);
    daemon.line(&["INFO Synced", "failed=0"]);
    let lines = daemon.0.lines();
    let wrong: Vec<_> = lines.iter().filter(|line| line.contains("did not answer")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_hangs_is_not_waited_for_once_each_while_little_may_be_in_flight() {
    let test = Fixture::new("hangturns");
    let account = |n| format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: a{n}}}\n");
    for n in 0..10 {
        test.repo.write(&format!("apps/a{n}.yaml"), account(n)).unwrap();
    }
    test.repo.commit("Ten").unwrap();
    let proxy = plane().proxy().unwrap();
    let writes = AtomicUsize::new(0);
    proxy.set_faults(move |call| match is_apply_of(call, "serviceaccounts") {
        true if writes.fetch_add(1, Ordering::SeqCst) < 50 => ApiFault::too_many(1),
        true => ApiFault::Hang,
        false => ApiFault::None,
    });
    let arguments = ["--request-timeout", "1s", "--parallel", "10", "--interval", "1s"];
    let daemon = test.run_as(proxy.kubeconfig(), &arguments);
    let hangs = || proxy.calls().into_iter().filter(|call| call.fault == ApiFault::Hang).count();
    eventually(DEADLINE, "one to hang", || Ok::<_, String>((hangs() > 0).then_some(()))).unwrap();
    daemon.line_after(daemon.mark(), &["Synced in part", "failed=10"]);
    assert!(hangs() <= 3, "{} were sent one after the other", hangs());
}
