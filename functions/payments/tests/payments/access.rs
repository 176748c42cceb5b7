//! Who may do something about a plan, and that nobody else's page can.

use quillon_core::member::Roles;
use quillon_core::org::Scope;
use quillon_tenancy::Deed;

use crate::world::{PUBLIC, World};

const STEPS: [&str; 3] = ["/acme/billing/choose", "/acme/billing/checkout", "/acme/billing/portal"];

#[tokio::test]
async fn admins_and_the_operator_may() {
    let world = World::new().await;
    for browser in [world.ann.clone(), world.somebody("ben", Some(Roles::ADMIN)).await, world.operator().await] {
        world.post("/acme/billing/choose", &browser, &[("plan", "individual")]).await.expect(303, "tab=Plan");
        world.get("/acme/billing/back", Some(&browser)).await.expect(303, "tab=Plan");
    }
}

#[tokio::test]
async fn members_may_not_and_to_strangers_the_org_is_not_there() {
    let world = World::new().await;
    let member = world.somebody("max", Some(Roles::MEMBER)).await;
    let stranger = world.somebody("eve", None).await;
    let nowhere = world.post("/nowhere/billing/checkout", &stranger, &[]).await;
    for step in STEPS {
        world.post(step, &member, &[("plan", "individual")]).await.expect(403, "This takes the role `admin`");
        let hidden = world.post(step, &stranger, &[("plan", "individual")]).await;
        assert_eq!((hidden.status, &hidden.body), (nowhere.status, &nowhere.body), "{step}");
    }
    world.get("/acme/billing/back", Some(&member)).await.expect(403, "This takes the role `admin`");
    world.get("/acme/billing/back", Some(&stranger)).await.expect(404, "There is nothing here");
    assert_eq!(world.stored().await.subscription, None);
    assert_eq!(world.stripe.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_sent_to_do_so() {
    let world = World::new().await;
    let headers = [("sec-fetch-site", "same-origin"), ("origin", PUBLIC)];
    for step in STEPS {
        world.post_raw(step, None, &[("csrf", &world.ann.csrf), ("plan", "individual")], &headers).await.expect(401, "/sign-in");
    }
    world.get("/acme/billing/back", None).await.expect(303, "/sign-in");
    assert_eq!(world.stored().await.subscription, None);
}

#[tokio::test]
async fn no_token_of_the_org_is_a_session() {
    let world = World::new().await;
    let deed = Deed { who: "ann", from: None, now: world.clock.now() };
    for scope in Scope::ALL {
        let (_, token) = world.tenancy.create_token(world.org, scope.word(), &[scope], None, &deed).await.expect("a token");
        for authorization in [format!("Bearer {}", token.expose()), format!("Basic {}", token.expose())] {
            let headers = [("authorization", authorization.as_str()), ("sec-fetch-site", "same-origin"), ("origin", PUBLIC)];
            for step in STEPS {
                let fields = [("csrf", world.ann.csrf.as_str()), ("plan", "individual")];
                world.post_raw(step, None, &fields, &headers).await.expect(401, "You are not signed in");
            }
        }
    }
    assert_eq!(world.stored().await.subscription, None);
}

#[tokio::test]
async fn forms_of_others_do_nothing() {
    let world = World::new().await;
    let other = world.somebody("ben", Some(Roles::ADMIN)).await;
    let ours = [("sec-fetch-site", "same-origin"), ("origin", PUBLIC)];
    let good = world.ann.csrf.as_str();
    for (csrf, headers) in [
        ("", ours.as_slice()),
        ("00", ours.as_slice()),
        (other.csrf.as_str(), ours.as_slice()),
        (good, &[("sec-fetch-site", "cross-site")]),
        (good, &[("sec-fetch-site", "same-site")]),
        (good, &[("origin", "https://evil.example")]),
        (good, &[("origin", "null")]),
    ] {
        for step in STEPS {
            let answer = world.post_raw(step, Some(&world.ann), &[("csrf", csrf), ("plan", "individual")], headers).await;
            answer.expect(403, "Nothing was changed");
        }
    }
    let twice = [("csrf", good), ("csrf", good), ("plan", "individual")];
    world.post_raw(STEPS[0], Some(&world.ann), &twice, &ours).await.expect(400, "damaged");
    let elsewhere = [("host", "evil.example"), ("sec-fetch-site", "same-origin")];
    world.post_raw(STEPS[0], Some(&world.ann), &[("csrf", good), ("plan", "individual")], &elsewhere).await.expect(421, "127.0.0.1");
    for path in STEPS {
        world.get(path, Some(&world.ann)).await.expect(405, "POST");
    }
    assert_eq!(world.stored().await.subscription, None);
    assert_eq!(world.stripe.requests(), Vec::<String>::new());
}
