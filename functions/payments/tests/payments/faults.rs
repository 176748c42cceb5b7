//! Whatever call of ours fails, before or after its effect: what is tried again ends as if it had not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quillon::engine::fault::Fault;
use quillon_core::plan::SubscriptionState;

use crate::world::World;

/// More calls than any of the steps makes.
const MANY: u64 = 60;

#[tokio::test]
async fn a_failed_call_is_made_good_by_trying_again() {
    for fault in [Fault::fail_before(), Fault::fail_after(), Fault::Conflict] {
        let mut failed = 0;
        for number in 0..MANY {
            if !survives(number, &fault).await {
                break;
            }
            failed += 1;
        }
        assert!((10..MANY).contains(&failed), "{failed} calls were failed");
    }
}

/// Pays with one call failing; whether there was such a call.
async fn survives(number: u64, fault: &Fault) -> bool {
    let world = World::new().await;
    let (first, has_failed) = (world.engines.next_call_index(), Arc::new(AtomicBool::new(false)));
    let (fault, fired) = (fault.clone(), Arc::clone(&has_failed));
    world.engines.set_fault(Some(Arc::new(move |call| {
        if call.index != first + number {
            return Fault::None;
        }
        fired.store(true, Ordering::Relaxed);
        fault.clone()
    })));
    let mut page = world.post("/acme/billing/checkout", &world.ann, &[]).await;
    if page.status != 200 {
        page.expect(503, "Nothing was changed");
        page = world.post("/acme/billing/checkout", &world.ann, &[]).await;
    }
    let page = page.stripe_page();
    let subscription = world.stripe.pay(page.rsplit('/').next().expect("a session"));
    let (customer, _) = world.stripe.customers().pop().expect("a customer");
    let webhook = world.stripe.webhook("customer.subscription.created", &customer);
    let told = world.deliver(&webhook).await;
    if told.status != 200 {
        told.expect(503, "send it again");
        world.deliver(&webhook).await.expect(200, "taken in");
    }
    world.engines.set_fault(None);
    let stored = world.subscription().await;
    assert!(matches!(stored.state, SubscriptionState::Trialing { .. }), "call {number}: {stored:?}");
    assert_eq!((stored.customer, stored.external), (Some(customer), Some(subscription)), "call {number}");
    assert_eq!((world.stripe.customers().len(), world.stripe.sessions().len()), (1, 1), "call {number}");
    has_failed.load(Ordering::Relaxed)
}
