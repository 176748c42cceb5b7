//! Names of commit status contexts: `quillon/<module>/<check>`, unique within a commit.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::AGGREGATE;
use crate::name::{CheckName, ModulePath, RepositoryName, Task};

/// Longest context that we post, in characters; GitHub takes 255.
const MAX_CONTEXT: usize = 200;

/// How a module is called in a context: its path, or the repository's name at the root. Never the author's own name for it.
#[must_use]
pub fn module_label(repository: &RepositoryName, module: &ModulePath) -> String {
    if module.is_root() { repository.name().to_owned() } else { module.to_string() }
}

/// The contexts of one module's checks.
#[derive(Debug, Clone)]
pub struct Contexts {
    label: String,
    names: BTreeMap<CheckName, String>,
}

impl Contexts {
    /// Names the contexts of a module from all checks that it has.
    ///
    /// The module segment is dropped from the checks' names unless two checks would then share one. `load` is reserved.
    #[must_use]
    pub fn new<'a>(repository: &RepositoryName, module: &ModulePath, checks: impl IntoIterator<Item = &'a CheckName>) -> Self {
        let checks: Vec<&CheckName> = checks.into_iter().collect();
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        for check in &checks {
            *uses.entry(check.without_module()).or_default() += 1;
        }
        let name = |check: &CheckName| {
            let short = check.without_module();
            let is_shared = uses.get(short).is_some_and(|count| *count > 1);
            let name = if is_shared { check.as_str() } else { short };
            // The load gate owns this name.
            if name == "load" { hashed("load", check.as_str()) } else { name.to_owned() }
        };
        Self { label: module_label(repository, module), names: checks.iter().map(|check| ((*check).clone(), name(check))).collect() }
    }

    /// The context of a task.
    #[must_use]
    pub fn of(&self, task: &Task) -> String {
        let name = match task {
            Task::Load => "load",
            Task::Check(check) => self.names.get(check).map_or(check.as_str(), String::as_str),
        };
        let context = format!("{AGGREGATE}/{}/{name}", self.label);
        if context.chars().count() <= MAX_CONTEXT {
            context
        } else {
            let kept: String = context.chars().take(MAX_CONTEXT - 10).collect();
            hashed(&kept, &context)
        }
    }
}

/// A text made unique by eight digits of another's hash.
fn hashed(kept: &str, whole: &str) -> String {
    format!("{kept}~{}", &hex::encode(Sha256::digest(whole.as_bytes()))[..8])
}
