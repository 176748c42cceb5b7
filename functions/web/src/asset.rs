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
}

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
        })
    }

    /// The file of a path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Asset> {
        [&self.style, &self.theme, &self.live, &self.keys, &self.icon].into_iter().find(|asset| asset.path == path)
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

fn asset(name: &str, extension: &str, media_type: &'static str, content: &'static str) -> Asset {
    let hash = hex::encode(Sha256::digest(content.as_bytes()));
    Asset { path: format!("/assets/{name}-{}.{extension}", &hash[..12]), etag: format!("\"{}\"", &hash[..32]), media_type, content }
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
        for asset in [&assets.style, &assets.theme, &assets.live, &assets.keys, &assets.icon] {
            let content = asset.content.replace("http://www.w3.org/", "");
            assert!(!content.contains("http://") && !content.contains("https://") && !content.contains("url("), "{}", asset.path);
        }
    }
}
