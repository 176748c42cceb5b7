//! The modules of a commit: which directories of a tree hold one, from the list of its paths.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lane::glob_matches;
use crate::name::ModulePath;

/// Most modules that one commit may have; more is a visible load error.
pub const MAX_MODULES: usize = 32;

/// Directories in which a manifest is somebody else's.
const FOREIGN_DIRECTORIES: [&str; 3] = ["vendor", "node_modules", "testdata"];

/// The kinds of manifest, the strongest first: a directory with several is one module under the first.
///
/// `dagger.toml` is a workspace of Dagger 1.0 and counts at the root only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manifest {
    /// `dagger.toml` at the root: a workspace.
    Workspace,
    /// `dagger-module.toml`.
    ModuleToml,
    /// `dagger.json`, read by every version.
    Json,
}

impl Manifest {
    fn of_file(directory: &ModulePath, file: &str) -> Option<Self> {
        match file {
            "dagger.toml" if directory.is_root() => Some(Self::Workspace),
            "dagger-module.toml" => Some(Self::ModuleToml),
            "dagger.json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// One module of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its directory.
    pub path: ModulePath,
    /// The manifest that makes it one.
    pub manifest: Manifest,
}

/// What the tree of a commit holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    /// These modules, the root first, then by path; possibly none.
    Modules(Vec<Module>),
    /// More than [`MAX_MODULES`].
    TooMany {
        /// How many there are.
        found: usize,
    },
}

/// Finds the modules among the file paths of a tree.
///
/// `ignored` are globs over directories from the repository's settings. Paths that are not valid module directories
/// (control characters, absurd lengths) are passed over.
pub fn discover<'a>(files: impl IntoIterator<Item = &'a str>, ignored: &[String]) -> Discovery {
    let mut found: BTreeMap<ModulePath, Manifest> = BTreeMap::new();
    for file in files {
        let (directory, name) = file.rsplit_once('/').unwrap_or((".", file));
        let Ok(path) = directory.parse::<ModulePath>() else { continue };
        let Some(manifest) = Manifest::of_file(&path, name) else { continue };
        let is_foreign = directory.split('/').any(|part| FOREIGN_DIRECTORIES.contains(&part));
        if is_foreign || ignored.iter().any(|glob| glob_matches(glob, directory)) {
            continue;
        }
        found.entry(path).and_modify(|kept| *kept = manifest.min(*kept)).or_insert(manifest);
    }
    if found.len() > MAX_MODULES {
        return Discovery::TooMany { found: found.len() };
    }
    let mut modules: Vec<Module> = found.into_iter().map(|(path, manifest)| Module { path, manifest }).collect();
    modules.sort_by_key(|module| !module.path.is_root());
    Discovery::Modules(modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(files: &[&str], ignored: &[&str]) -> Vec<String> {
        let ignored: Vec<String> = ignored.iter().map(|glob| (*glob).to_owned()).collect();
        match discover(files.iter().copied(), &ignored) {
            Discovery::Modules(modules) => modules.iter().map(|module| module.path.to_string()).collect(),
            Discovery::TooMany { found } => vec![format!("{found} modules")],
        }
    }

    #[test]
    fn one_module_per_directory_and_foreign_ones_are_passed_over() {
        let files =
            ["README.md", "dagger.json", "dagger-module.toml", "ci/dagger.json", "vendor/x/dagger.json", "a/node_modules/b/dagger.json"];
        assert_eq!(paths(&files, &[]), [".", "ci"]);
        assert_eq!(paths(&["docs/examples/one/dagger.json"], &["docs/*"]), Vec::<String>::new());
    }

    #[test]
    fn a_workspace_manifest_counts_at_the_root_only_and_wins_there() {
        let Discovery::Modules(modules) = discover(["dagger.json", "dagger.toml", "sub/dagger.toml"], &[]) else { panic!("too many") };
        assert_eq!(modules, [Module { path: ModulePath::root(), manifest: Manifest::Workspace }]);
    }

    #[test]
    fn more_than_the_limit_is_an_answer_of_its_own() {
        let files: Vec<String> = (0..33).map(|number| format!("m{number}/dagger.json")).collect();
        assert_eq!(paths(&files.iter().map(String::as_str).collect::<Vec<_>>(), &[]), ["33 modules"]);
    }

    #[test]
    fn hostile_paths_are_not_modules() {
        assert_eq!(paths(&["../dagger.json", "-x/dagger.json", "a\nb/dagger.json", ".git/dagger.json"], &[]), Vec::<String>::new());
    }
}
