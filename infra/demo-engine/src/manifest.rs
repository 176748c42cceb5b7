//! Loads modules: finds the manifest, reads it, and lists the executables in `checks/` of the source directory.
//!
//! Kinds of manifest: `dagger.toml` (a workspace, at the root of the repository only), `dagger-module.toml`, `dagger.json`;
//! see <https://docs.dagger.io>. Whatever is wrong is an error that names the file: a module loads whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::check::{Check, description, kebab_case, select};

/// Largest manifest that is read, in bytes.
const MAX_MANIFEST: u64 = 1024 * 1024;

/// How much of a check is read to find its description, in bytes.
const DESCRIPTION_WINDOW: u64 = 8 * 1024;

/// Where loading starts.
pub(crate) enum Start {
    /// Exactly this directory.
    Module(PathBuf),
    /// This directory or the nearest one above it that has a manifest.
    Workspace(PathBuf),
}

/// What was loaded.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The root of the repository; the directory of the manifest where there is no repository.
    pub(crate) root: PathBuf,
    /// The checks of all modules, by module and name.
    pub(crate) checks: Vec<Check>,
}

/// Why a module cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[error("loading modules: {path}: {reason}")]
pub(crate) struct LoadError {
    path: String,
    reason: String,
}

impl LoadError {
    fn new(path: &Path, reason: impl ToString) -> Self {
        Self { path: path.display().to_string(), reason: reason.to_string() }
    }
}

/// The fields of `dagger.json` and `dagger-module.toml` that matter here.
#[derive(Deserialize)]
struct ModuleManifest {
    #[serde(default)]
    name: String,
    #[serde(default)]
    source: Option<String>,
}

/// The fields of `dagger.toml` that matter here.
#[derive(Deserialize)]
struct WorkspaceManifest {
    #[serde(default)]
    modules: BTreeMap<String, Installed>,
}

#[derive(Deserialize)]
struct Installed {
    source: String,
    #[serde(default)]
    check: Skip,
}

#[derive(Deserialize, Default)]
struct Skip {
    #[serde(default)]
    skip: Vec<String>,
}

/// Loads what the start directory belongs to; a place without any manifest has no checks.
pub(crate) fn load(start: &Start) -> Result<Loaded, LoadError> {
    let (wanted, is_exact) = match start {
        Start::Module(path) => (path, true),
        Start::Workspace(path) => (path, false),
    };
    let directory = fs::canonicalize(wanted).map_err(|error| LoadError::new(wanted, error))?;
    let repository = directory.ancestors().find(|ancestor| ancestor.join(".git").exists());
    let candidates =
        if is_exact { 1 } else { directory.ancestors().position(|one| Some(one) == repository).map_or(usize::MAX, |above| above + 1) };
    for candidate in directory.ancestors().take(candidates) {
        let root = repository.unwrap_or(candidate);
        let workspace = candidate.join("dagger.toml");
        if !is_exact && candidate == root && workspace.is_file() {
            return load_workspace(root, &workspace);
        }
        if let Some(manifest) = module_manifest(candidate) {
            let checks = load_module(root, candidate, &manifest, None)?;
            return Ok(Loaded { root: root.to_owned(), checks });
        }
    }
    if is_exact {
        return Err(LoadError::new(&directory, "no `dagger-module.toml` or `dagger.json` in this directory"));
    }
    Ok(Loaded { root: repository.unwrap_or(&directory).to_owned(), checks: Vec::new() })
}

fn load_workspace(root: &Path, path: &Path) -> Result<Loaded, LoadError> {
    let manifest: WorkspaceManifest = toml::from_str(&read(path)?).map_err(|error| LoadError::new(path, error))?;
    let mut checks = Vec::new();
    for (name, installed) in manifest.modules {
        let directory =
            inside(root, root, &installed.source).map_err(|reason| LoadError::new(path, format!("module `{name}`: {reason}")))?;
        let own = module_manifest(&directory)
            .ok_or_else(|| LoadError::new(path, format!("module `{name}`: no manifest in `{}`", installed.source)))?;
        checks.extend(select(load_module(root, &directory, &own, Some(&name))?, &[], &installed.check.skip));
    }
    Ok(Loaded { root: root.to_owned(), checks })
}

fn module_manifest(directory: &Path) -> Option<PathBuf> {
    ["dagger-module.toml", "dagger.json"].iter().map(|name| directory.join(name)).find(|path| path.is_file())
}

fn load_module(root: &Path, directory: &Path, path: &Path, installed_as: Option<&str>) -> Result<Vec<Check>, LoadError> {
    let text = read(path)?;
    let manifest: ModuleManifest = if path.extension().is_some_and(|extension| extension == "toml") {
        toml::from_str(&text).map_err(|error| LoadError::new(path, error))?
    } else {
        serde_json::from_str(&text).map_err(|error| LoadError::new(path, error))?
    };
    let name = kebab_case(installed_as.unwrap_or(&manifest.name));
    if name.is_empty() {
        return Err(LoadError::new(path, "module name must be set"));
    }
    let source = manifest.source.as_deref().unwrap_or(".");
    let source = inside(root, directory, source).map_err(|reason| LoadError::new(path, reason))?;
    list_checks(root, &name, &source.join("checks"))
}

/// A directory that a manifest names, which must exist within the repository.
fn inside(root: &Path, base: &Path, named: &str) -> Result<PathBuf, String> {
    let path = fs::canonicalize(base.join(named)).map_err(|error| format!("source `{named}`: {error}"))?;
    if !path.starts_with(root) {
        return Err(format!("source `{named}` is outside of the repository"));
    }
    if !path.is_dir() {
        return Err(format!("source `{named}` is not a directory"));
    }
    Ok(path)
}

fn list_checks(root: &Path, module: &str, directory: &Path) -> Result<Vec<Check>, LoadError> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let failed = |error: std::io::Error| LoadError::new(directory, error);
    let mut found: BTreeMap<String, Check> = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let target = fs::canonicalize(&path).map_err(|error| LoadError::new(&path, error))?;
        if file_name.starts_with('.') || target.is_dir() {
            continue;
        }
        if !target.starts_with(root) {
            return Err(LoadError::new(&path, "the check is outside of the repository"));
        }
        let metadata = fs::metadata(&target).map_err(|error| LoadError::new(&path, error))?;
        if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
            return Err(LoadError::new(&path, "the check is not executable; run `chmod +x` on it or move it out of `checks/`"));
        }
        let stem = kebab_case(&path.file_stem().unwrap_or_default().to_string_lossy());
        if stem.is_empty() {
            return Err(LoadError::new(&path, "the file's name has no letter or digit to name the check after"));
        }
        let name = format!("{module}:{stem}");
        let check = Check { name: name.clone(), description: description(&head(&target)?), executable: target };
        if let Some(other) = found.insert(name.clone(), check) {
            return Err(LoadError::new(&path, format!("`{name}` is also the name of `{}`", other.executable.display())));
        }
    }
    Ok(found.into_values().collect())
}

fn read(path: &Path) -> Result<String, LoadError> {
    let size = fs::metadata(path).map_err(|error| LoadError::new(path, error))?.len();
    if size > MAX_MANIFEST {
        return Err(LoadError::new(path, format!("{size} bytes are too many for a manifest")));
    }
    fs::read_to_string(path).map_err(|error| LoadError::new(path, error))
}

fn head(path: &Path) -> Result<String, LoadError> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| LoadError::new(path, error))?;
    file.take(DESCRIPTION_WINDOW).read_to_end(&mut bytes).map_err(|error| LoadError::new(path, error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Repository(tempfile::TempDir);

    impl Repository {
        fn with(files: &[(&str, &str)]) -> Self {
            let repository = Self(tempfile::tempdir().expect("temporary directory"));
            fs::create_dir(repository.0.path().join(".git")).expect("mkdir");
            for (path, text) in files {
                let file = repository.0.path().join(path);
                fs::create_dir_all(file.parent().expect("parent")).expect("mkdir");
                fs::write(&file, text).expect("write");
                let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
                fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("chmod");
            }
            repository
        }

        fn names(&self, directory: &str) -> Result<Vec<String>, String> {
            let loaded = load(&Start::Workspace(self.0.path().join(directory))).map_err(|error| error.to_string())?;
            Ok(loaded.checks.into_iter().map(|check| check.name).collect())
        }
    }

    #[test]
    fn the_nearest_manifest_names_the_module() {
        let repository = Repository::with(&[
            ("dagger.json", r#"{"name":"rootMod","source":"ci"}"#),
            ("ci/checks/lint.sh", "#!/bin/sh\n# Style."),
            ("ci/checks/.keep", ""),
            ("sub/dagger-module.toml", "name = \"sub\""),
            ("sub/dagger.json", r#"{"name":"loses"}"#),
            ("sub/checks/unit_test", "#!/bin/sh"),
            ("sub/deep/file", ""),
        ]);
        assert_eq!(repository.names("."), Ok(vec!["root-mod:lint".to_owned()]));
        assert_eq!(repository.names("sub/deep"), Ok(vec!["sub:unit-test".to_owned()]));
        let loaded = load(&Start::Workspace(repository.0.path().join("sub"))).expect("loads");
        assert_eq!(loaded.root, fs::canonicalize(repository.0.path()).expect("canonical"), "checks run in the root");
    }

    #[test]
    fn a_workspace_installs_modules_under_its_own_names() {
        let repository = Repository::with(&[
            ("dagger.toml", "[modules.go]\nsource = \"ci\"\ncheck = {skip = [\"slow\"]}\n"),
            ("ci/dagger.json", r#"{"name":"other"}"#),
            ("ci/checks/lint", "#!/bin/sh"),
            ("ci/checks/slow", "#!/bin/sh"),
        ]);
        assert_eq!(repository.names("."), Ok(vec!["go:lint".to_owned()]));
        let exact = load(&Start::Module(repository.0.path().to_owned()));
        assert!(exact.is_err(), "a workspace is not a module");
    }

    #[test]
    fn whatever_is_wrong_is_a_load_error_that_names_the_file() {
        let check = ("checks/lint", "#!/bin/sh");
        for (files, part) in [
            (vec![("dagger.json", "{"), check], "dagger.json: EOF"),
            (vec![("dagger.json", "{}"), check], "module name must be set"),
            (vec![("dagger-module.toml", "name = "), check], "dagger-module.toml: TOML"),
            (vec![("dagger.json", r#"{"name":"a","source":"nope"}"#)], "source `nope`: No such file"),
            (vec![("dagger.json", r#"{"name":"a","source":"../../.."}"#)], "outside of the repository"),
            (vec![("dagger.json", r#"{"name":"a"}"#), ("checks/README.md", "text")], "not executable"),
            (vec![("dagger.json", r#"{"name":"a"}"#), check, ("checks/lint.py", "#!/usr/bin/python3")], "is also the name of"),
            (vec![("dagger.toml", "[modules.x]\nsource = \"github.com/a/b\"")], "module `x`: source `github.com/a/b`"),
        ] {
            let error = Repository::with(&files).names(".").expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_check_that_points_out_of_the_repository_is_refused() {
        let repository = Repository::with(&[("dagger.json", r#"{"name":"a"}"#), ("checks/lint", "#!/bin/sh")]);
        std::os::unix::fs::symlink("/bin/sh", repository.0.path().join("checks/shell")).expect("symlink");
        assert!(repository.names(".").expect_err("refused").contains("outside of the repository"));
    }

    #[test]
    fn a_place_without_a_manifest_has_no_checks() {
        assert_eq!(Repository::with(&[]).names("."), Ok(Vec::new()));
    }
}
