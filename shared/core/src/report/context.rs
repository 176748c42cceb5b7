//! Names of commit status contexts: `quillon/<module>/<check>`, unique within a commit.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{AGGREGATE, postable};
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
    /// The module segment is dropped from the checks' names unless two checks would then share one. `load` is reserved, and so
    /// are the characters that set contexts of one commit apart: such names end with digits of their hash. A directory that is
    /// called like the repository is written `./<name>`, because that name is the root's.
    #[must_use]
    pub fn new<'a>(repository: &RepositoryName, module: &ModulePath, checks: impl IntoIterator<Item = &'a CheckName>) -> Self {
        let checks: BTreeSet<&CheckName> = checks.into_iter().collect();
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        for check in &checks {
            for spelling in BTreeSet::from([check.without_module(), check.as_str()]) {
                *uses.entry(spelling).or_default() += 1;
            }
        }
        let name = |check: &CheckName| {
            let short = check.without_module();
            let is_unique = !short.is_empty() && uses.get(short).is_some_and(|count| *count == 1);
            plain(if is_unique { short } else { check.as_str() }, check)
        };
        let label = module_label(repository, module);
        let label = if !module.is_root() && label == repository.name() { format!("./{label}") } else { label };
        Self { label, names: checks.iter().map(|check| ((*check).clone(), name(check))).collect() }
    }

    /// The context of a task.
    #[must_use]
    pub fn of(&self, task: &Task) -> String {
        let name = match task {
            Task::Load => "load".to_owned(),
            Task::Check(check) => self.names.get(check).cloned().unwrap_or_else(|| plain(check.as_str(), check)),
        };
        let context = format!("{AGGREGATE}/{}/{name}", self.label);
        let kept = postable(&context);
        if kept == context && context.chars().count() <= MAX_CONTEXT {
            context
        } else {
            let kept: String = kept.chars().take(MAX_CONTEXT - 10).collect();
            hashed(&kept, &context)
        }
    }
}

/// A name as the last segment of a context: `load` is the gate's, `/` separates, `~` marks a hash, `#` a continued context.
fn plain(name: &str, check: &CheckName) -> String {
    const RESERVED: [char; 3] = ['/', '~', '#'];
    if name == "load" || name.contains(RESERVED) { hashed(&name.replace(RESERVED, "-"), check.as_str()) } else { name.to_owned() }
}

/// A text made unique by eight digits of another's hash.
fn hashed(kept: &str, whole: &str) -> String {
    format!("{kept}~{}", &hex::encode(Sha256::digest(whole.as_bytes()))[..8])
}
