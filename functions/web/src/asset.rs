//! Style sheet, scripts and sign: embedded in the binary, named by their content, cached for ever.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

/// A file that pages refer to.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its path, with a part of its content's hash.
    pub path: String,
    /// Its `ETag`.
    pub etag: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub content: &'static str,
}

/// All files that pages refer to.
#[derive(Debug, Clone)]
pub struct Assets {
    /// The style sheet.
    pub style: Asset,
    /// Sets the colour scheme before anything is drawn.
    pub theme: Asset,
    /// Keeps the page fresh.
    pub live: Asset,
    /// Keys.
    pub keys: Asset,
    /// The sign.
    pub icon: Asset,
    /// The style sheet of traces.
    pub trace_style: Asset,
    /// The modules of the trace page; the first of them is loaded by the page, the others by it.
    pub trace: Vec<Asset>,
}

/// Files of the trace page's script, the entry first. They import one another by relative paths, so all are in one folder
/// that is named by the content of all.
const TRACE_SCRIPTS: [(&str, &str); 23] = [
    ("main.js", include_str!("../assets/trace/main.js")),
    ("ansi.js", include_str!("../assets/trace/ansi.js")),
    ("api.js", include_str!("../assets/trace/api.js")),
    ("box.js", include_str!("../assets/trace/box.js")),
    ("boxes.js", include_str!("../assets/trace/boxes.js")),
    ("details.js", include_str!("../assets/trace/details.js")),
    ("dom.js", include_str!("../assets/trace/dom.js")),
    ("download.js", include_str!("../assets/trace/download.js")),
    ("feed.js", include_str!("../assets/trace/feed.js")),
    ("flame.js", include_str!("../assets/trace/flame.js")),
    ("format.js", include_str!("../assets/trace/format.js")),
    ("frame.js", include_str!("../assets/trace/frame.js")),
    ("keyboard.js", include_str!("../assets/trace/keyboard.js")),
    ("list.js", include_str!("../assets/trace/list.js")),
    ("logbox.js", include_str!("../assets/trace/logbox.js")),
    ("logs.js", include_str!("../assets/trace/logs.js")),
    ("model.js", include_str!("../assets/trace/model.js")),
    ("page.js", include_str!("../assets/trace/page.js")),
    ("row.js", include_str!("../assets/trace/row.js")),
    ("search.js", include_str!("../assets/trace/search.js")),
    ("spans.js", include_str!("../assets/trace/spans.js")),
    ("tree.js", include_str!("../assets/trace/tree.js")),
    ("wire.js", include_str!("../assets/trace/wire.js")),
];

impl Assets {
    /// The files, with their names computed once.
    pub fn all() -> &'static Self {
        static ASSETS: OnceLock<Assets> = OnceLock::new();
        ASSETS.get_or_init(|| Self {
            style: asset("quillon", "css", "text/css; charset=utf-8", include_str!("../assets/quillon.css")),
            theme: asset("theme", "js", SCRIPT, include_str!("../assets/theme.js")),
            live: asset("live", "js", SCRIPT, include_str!("../assets/live.js")),
            keys: asset("keys", "js", SCRIPT, include_str!("../assets/keys.js")),
            icon: asset("quillon", "svg", "image/svg+xml", include_str!("../assets/quillon.svg")),
            trace_style: asset("trace", "css", "text/css; charset=utf-8", include_str!("../assets/trace.css")),
            trace: folder("trace", &TRACE_SCRIPTS),
        })
    }

    /// The path of the script that a trace page loads.
    #[must_use]
    pub fn trace_script(&self) -> &str {
        self.trace.first().map_or("", |entry| &entry.path)
    }

    /// All files.
    pub fn iter(&self) -> impl Iterator<Item = &Asset> {
        [&self.style, &self.theme, &self.live, &self.keys, &self.icon, &self.trace_style].into_iter().chain(&self.trace)
    }

    /// The file of a path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Asset> {
        self.iter().find(|asset| asset.path == path)
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

fn asset(name: &str, extension: &str, media_type: &'static str, content: &'static str) -> Asset {
    let hash = hex::encode(Sha256::digest(content.as_bytes()));
    Asset { path: format!("/assets/{name}-{}.{extension}", &hash[..12]), etag: format!("\"{}\"", &hash[..32]), media_type, content }
}

/// Scripts in a folder of their own, which is named by the content of all of them: a page never mixes two versions.
fn folder(name: &str, files: &[(&str, &'static str)]) -> Vec<Asset> {
    let all = files.iter().fold(Sha256::new(), |hash, (name, content)| hash.chain_update(name).chain_update([0]).chain_update(content));
    let all = hex::encode(all.finalize());
    let file = |(file, content): &(&str, &'static str)| {
        let hash = hex::encode(Sha256::digest(content.as_bytes()));
        Asset { path: format!("/assets/{name}-{}/{file}", &all[..12]), etag: format!("\"{}\"", &hash[..32]), media_type: SCRIPT, content }
    };
    files.iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_their_hashed_name_only() {
        let assets = Assets::all();
        assert!(assets.find(&assets.style.path).is_some());
        for path in ["/assets/quillon.css", "/assets/", "/assets/../Cargo.toml", ""] {
            assert!(assets.find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn nothing_comes_from_another_host() {
        let assets = Assets::all();
        for asset in assets.iter() {
            let content = asset.content.replace("http://www.w3.org/", "");
            assert!(!content.contains("http://") && !content.contains("https://"), "{}", asset.path);
            assert!(asset.media_type == SCRIPT || !content.contains("url("), "{}", asset.path);
        }
    }
}
