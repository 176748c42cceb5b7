//! What a module's manifest says about it, read from the checkout after a load.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use quillon_core::module::Manifest;
use quillon_core::protocol::{Job, ModuleReport};
use quillon_core::text::shorten;
use serde::Deserialize;

/// Largest manifest that is read, in bytes.
const MAX_MANIFEST: u64 = 1024 * 1024;

/// The fields of all kinds of manifest that a report needs; unknown ones are passed over, wrong ones make it unreadable.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fields {
    name: Option<String>,
    engine_version: Option<String>,
    sdk: Option<Sdk>,
    runtime: Option<Sdk>,
    toolchains: Option<serde_json::Value>,
    blueprint: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Sdk {
    Source(String),
    Table { source: String },
}

impl Sdk {
    fn source(self) -> String {
        match self {
            Self::Source(source) | Self::Table { source } => source,
        }
    }
}

/// The manifest of a job's module as far as it can be read. The CLI is the judge of whether it is right.
#[derive(Debug)]
pub(crate) struct ModuleFile(Fields);

impl ModuleFile {
    /// Reads the manifest in a module's directory.
    pub(crate) fn read(directory: &Path, manifest: Manifest) -> Self {
        let name = match manifest {
            Manifest::Workspace => "dagger.toml",
            Manifest::ModuleToml => "dagger-module.toml",
            Manifest::Json => "dagger.json",
        };
        Self(parse(&text(&directory.join(name)), manifest))
    }

    /// Whether the module is put together from others, which 1.0 treats as a workspace rather than as a module.
    pub(crate) fn has_toolchains(&self) -> bool {
        let is_set = |value: &Option<serde_json::Value>| match value {
            None | Some(serde_json::Value::Null) => false,
            Some(serde_json::Value::Array(list)) => !list.is_empty(),
            Some(_) => true,
        };
        is_set(&self.0.toolchains) || is_set(&self.0.blueprint)
    }

    /// What the server is told. A workspace has no name of its own: it has the repository's.
    pub(crate) fn report(self, job: &Job) -> ModuleReport {
        let name = self.0.name.filter(|name| !name.is_empty()).unwrap_or_else(|| job.repository.name().to_owned());
        ModuleReport {
            name: shorten(&name, 100),
            engine_version: self.0.engine_version.map(|version| shorten(&version, 100)),
            sdk: self.0.sdk.or(self.0.runtime).map(|sdk| shorten(&sdk.source(), 300)),
            api: None,
        }
    }
}

fn parse(text: &str, manifest: Manifest) -> Fields {
    match manifest {
        Manifest::Workspace | Manifest::ModuleToml => toml::from_str(text).unwrap_or_default(),
        Manifest::Json => serde_json::from_str(text).unwrap_or_default(),
    }
}

/// The text of a regular file of sensible size; a link, a pipe or a device reads as nothing.
fn text(path: &Path) -> String {
    let is_plain = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_MANIFEST);
    let mut text = String::new();
    if is_plain {
        let read = fs::File::open(path).and_then(|file| file.take(MAX_MANIFEST).read_to_string(&mut text));
        if read.is_err() {
            text.clear();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str, manifest: Manifest) -> (Option<String>, Option<String>, Option<String>, bool) {
        let file = ModuleFile(parse(text, manifest));
        let has_toolchains = file.has_toolchains();
        (file.0.name, file.0.engine_version, file.0.sdk.or(file.0.runtime).map(Sdk::source), has_toolchains)
    }

    #[test]
    fn every_kind_of_manifest_is_read() {
        let some = |text: &str| Some(text.to_owned());
        for (text, manifest, expected) in [
            (
                r#"{"name":"hello","engineVersion":"v0.21.8","sdk":{"source":"dang"}}"#,
                Manifest::Json,
                (some("hello"), some("v0.21.8"), some("dang"), false),
            ),
            (r#"{"name":"old","sdk":"go"}"#, Manifest::Json, (some("old"), None, some("go"), false)),
            (r#"{"name":"app","toolchains":[{"name":"t","source":"./t"}]}"#, Manifest::Json, (some("app"), None, None, true)),
            (r#"{"name":"app","toolchains":[],"blueprint":null}"#, Manifest::Json, (some("app"), None, None, false)),
            (r#"{"name":"app","blueprint":{"source":"./b"}}"#, Manifest::Json, (some("app"), None, None, true)),
            (
                "name = \"hello\"\nengineVersion = \"v1.0.0\"\n[runtime]\nsource = \"dang\"\n",
                Manifest::ModuleToml,
                (some("hello"), some("v1.0.0"), some("dang"), false),
            ),
            ("[modules.lint]\nsource = \"x\"\n", Manifest::Workspace, (None, None, None, false)),
            ("{", Manifest::Json, (None, None, None, false)),
            ("name = ", Manifest::ModuleToml, (None, None, None, false)),
        ] {
            assert_eq!(fields(text, manifest), expected, "{text}");
        }
    }

    #[test]
    fn a_manifest_that_is_a_link_is_not_followed() {
        let directory = tempfile::tempdir().expect("temporary directory");
        fs::write(directory.path().join("secret"), r#"{"name":"secret"}"#).expect("write");
        std::os::unix::fs::symlink("secret", directory.path().join("dagger.json")).expect("symlink");
        assert_eq!(ModuleFile::read(directory.path(), Manifest::Json).0.name, None);
    }
}
