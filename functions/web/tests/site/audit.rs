//! The audit log on its page and as files.

use http::StatusCode;
use quillon_core::audit::{AuditAction, AuditEntry};
use quillon_core::member::Roles;

use crate::world::World;

#[tokio::test]
async fn the_log_is_read_by_pages_filtered_by_its_address_and_exported() {
    let world = World::new().await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let ann = world.person(1, "ann").await;
    world.join(&acme, &ann, Roles::ADMIN).await;
    let browser = world.browser_of(&ann).await;
    for number in 0..60 {
        world.pass(1);
        let entry = AuditEntry {
            org: if number == 7 { globex.id } else { acme.id },
            at: world.now(),
            who: if number % 2 == 0 { "=cmd|' /C calc'!A0".to_owned() } else { "Ben (ben at github)".to_owned() },
            action: if number == 30 { AuditAction::TokenRevoked } else { AuditAction::TokenMade },
            subject: format!("<i>token-{number}</i>"),
            detail: String::new(),
            from: Some("203.0.113.7".to_owned()),
        };
        world.deps.store.append_audit(&entry).await.expect("a table");
    }
    let first = browser.get("/acme/settings?tab=Audit").await.text;
    let at = |text: &str, number: u32| text.find(&format!("token-{number}&#60;"));
    assert!(at(&first, 59) < at(&first, 58) && at(&first, 59).is_some() && at(&first, 9).is_none() && !first.contains("<i>token"));
    assert!(first.contains("made the token") && first.contains("203.0.113.7") && first.contains("rel=\"next\""));
    let last = world.now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    assert!(first.contains(&format!(">{last}</time>")), "without pointing at it");
    let older =
        first.split("rel=\"next\"").next().and_then(|before| before.rsplit("href=\"").next()).and_then(|rest| rest.split('"').next());
    let older = browser.get(&older.expect("a link").replace("&#38;", "&")).await.text;
    assert!(at(&older, 5).is_some() && at(&older, 59).is_none() && at(&older, 7).is_none() && older.contains("← Newest"));
    assert!(older.contains("the operator"), "who let ann in");

    let revoked = browser.get("/acme/settings?tab=Audit&action=token_revoked").await.text;
    assert!(
        at(&revoked, 30).is_some() && revoked.matches("<li data-item").count() == 1 && revoked.contains("value=\"token_revoked\" selected")
    );
    let ben = browser.get("/acme/settings?tab=Audit&who=BEN").await.text;
    assert!(at(&ben, 59).is_some() && at(&ben, 58).is_none() && ben.contains("value=\"BEN\""));
    assert!(ben.contains("/acme/settings/audit.csv?who=BEN"));
    assert!(browser.get("/acme/settings?tab=Audit&who=nobody-at-all").await.text.contains("Nothing in this part of the log matches"));
    assert!(browser.get("/acme/settings?tab=Audit&after=rubbish").await.text.contains("here is the newest"));

    let csv = browser.get("/acme/settings/audit.csv").await;
    assert_eq!((csv.status, csv.header("content-disposition")), (StatusCode::OK, "attachment; filename=\"acme-audit.csv\""));
    assert_eq!((csv.header("cache-control"), csv.header("x-content-type-options")), ("no-store", "nosniff"));
    assert!(
        csv.text.starts_with("time,who,action,subject,detail,from\r\n")
            && csv.text.contains(",\"'=cmd|' /C calc'!A0\",")
            && !csv.text.contains("\"=cmd")
    );
    assert!(!csv.text.contains("token-7<"), "another org's");
    let lines = browser.get("/acme/settings/audit.jsonl?action=token_revoked").await.text;
    assert_eq!(lines.lines().count(), 1);
    let entry: serde_json::Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!((entry["action"].as_str(), entry["subject"].as_str()), (Some("token_revoked"), Some("<i>token-30</i>")));
    // An export is a deed too.
    let exported = browser.get("/acme/settings?tab=Audit&action=audit_exported").await.text;
    assert_eq!(exported.matches("exported the audit log of").count(), 3, "two rows and a choice");
    assert_eq!(browser.get("/acme/settings/audit.csv?after=rubbish").await.status, StatusCode::BAD_REQUEST);
}
