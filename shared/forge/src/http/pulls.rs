//! Pull requests, read.

use crate::{
    Pull,
    http::{
        app::number,
        auth::Need,
        call::{Refusal, Reply},
        contents::resolve,
        repositories::RepositoryCall,
    },
};

/// `GET /pulls`.
pub(crate) fn list(call: &RepositoryCall<'_>) -> Result<Reply, Refusal> {
    call.allow_with(Need::PULLS, &["state", "head", "base", "sort", "direction", "per_page", "page"])?;
    let parameter = |name| call.call.parameter(name);
    let wanted = parameter("state").unwrap_or("open");
    if !["open", "closed", "all"].contains(&wanted) {
        return Err(Refusal::unprocessable("Validation Failed").violates("`state` is not `open`, `closed` or `all`"));
    }
    if parameter("sort").is_some_and(|sort| !["created", "updated", "popularity", "long-running"].contains(&sort)) {
        return Err(Refusal::unprocessable("Validation Failed").violates("`sort` is not one of GitHub's"));
    }
    let state = call.forge.state();
    let shapes = call.forge.shapes(&state);
    let fits = |pull: &&Pull| {
        let in_state = wanted == "all" || pull.open == (wanted == "open");
        let from = parameter("head").is_none_or(|head| head == format!("{}:{}", state.login(pull.head_owner), pull.head_ref));
        in_state && from && parameter("base").is_none_or(|base| base == pull.base_ref)
    };
    let mut found: Vec<&Pull> = state.pulls_of(call.repository.id).filter(fits).collect();
    if parameter("sort") == Some("updated") {
        found.sort_by_key(|pull| (pull.updated_at, pull.number));
    }
    // Newest first, unless they are asked for the other way or by another order.
    if parameter("direction").unwrap_or("desc") == "desc" {
        found.reverse();
    }
    call.page(found.into_iter().map(|pull| shapes.pull(pull)).collect())
}

/// `GET /pulls/{number}`; each read moves the working out of `mergeable` on.
pub(crate) async fn one(call: &RepositoryCall<'_>, id: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::PULLS, &[])?;
    let pull = call.forge.pull(call.repository.id, number(id)?)?;
    let mergeable = call.forge.mergeable(&pull).await?;
    let state = call.forge.state();
    Ok(Reply::ok(call.forge.shapes(&state).full_pull(&pull, mergeable)))
}

/// `GET /commits/{sha}/pulls`: the pull requests whose head, or whose merge, is this commit.
pub(crate) async fn of_commit(call: &RepositoryCall<'_>, name: &str) -> Result<Reply, Refusal> {
    call.allow_with(Need::PULLS, &["per_page", "page"])?;
    let id = resolve(call, name).await?;
    let state = call.forge.state();
    let shapes = call.forge.shapes(&state);
    let of_commit = |pull: &&Pull| pull.head_sha == id || pull.merged.as_ref().is_some_and(|merged| merged.sha == id);
    call.page(state.pulls_of(call.repository.id).filter(of_commit).map(|pull| shapes.pull(pull)).collect())
}
