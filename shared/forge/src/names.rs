//! Which names GitHub and `git check-ref-format` accept, so that nothing else ever reaches a command line or a path.

use crate::ForgeError;

/// The object id of nothing, as pushes and webhooks write it.
pub(crate) const ZERO: &str = "0000000000000000000000000000000000000000";

/// Whether the text is a full SHA-1 object id in lower case.
pub(crate) fn is_sha(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Accepts a login: letters, digits and inner single hyphens, at most 39.
pub(crate) fn check_login(login: &str) -> Result<(), ForgeError> {
    let fits = (1..=39).contains(&login.len())
        && login.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !login.starts_with('-')
        && !login.ends_with('-');
    ensure(fits, "account name", login, "use 1 to 39 letters, digits and inner hyphens")
}

/// Accepts a repository name: letters, digits, `.`, `_` and `-`, at most 100.
pub(crate) fn check_repository_name(name: &str) -> Result<(), ForgeError> {
    let fits = (1..=100).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && !matches!(name, "." | "..")
        && !name.ends_with(".git")
        && !name.ends_with(".wiki");
    ensure(fits, "repository name", name, "use 1 to 100 letters, digits, `.`, `_` and `-`, without `.git` at the end")
}

/// Accepts what may follow `refs/heads/` or `refs/tags/` (git-check-ref-format(1)); git's `-` rule for branches included.
pub(crate) fn check_short_ref(name: &str) -> Result<(), ForgeError> {
    let fits = !name.is_empty()
        && name.len() <= 244
        && !name.starts_with('-')
        && name != "@"
        && name != "HEAD"
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && name.bytes().all(|byte| byte > b' ' && byte != 0x7f && !b"~^:?*[\\".contains(&byte))
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"));
    ensure(fits, "ref name", name, "see `git help check-ref-format`")
}

/// Accepts a path within a tree.
pub(crate) fn check_path(path: &str) -> Result<(), ForgeError> {
    let fits = !path.is_empty()
        && path.len() <= 4096
        && !path.starts_with('"')
        && path.bytes().all(|byte| byte >= b' ' && byte != 0x7f)
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.eq_ignore_ascii_case(".git"));
    ensure(fits, "path", path, "use a plain relative path without `.`, `..` and `.git`")
}

/// Accepts a name or an address of a commit's author.
pub(crate) fn check_person(text: &str) -> Result<(), ForgeError> {
    let fits = text.len() <= 200 && !text.contains(['<', '>', '\n', '\r', '\0']);
    ensure(fits, "author", text, "leave out `<`, `>` and line breaks")
}

fn ensure(fits: bool, what: &'static str, value: &str, why: &'static str) -> Result<(), ForgeError> {
    if fits {
        return Ok(());
    }
    let value = value.chars().take(120).flat_map(char::escape_debug).collect();
    Err(ForgeError::Invalid { what, value, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_are_accepted_as_git_accepts_them() {
        for good in ["main", "feature/x", "v1.2.3", "a-b", "gh-readonly-queue/main/pr-1-abc", "über"] {
            assert!(check_short_ref(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a..b", "a b", "a\nb", "a~1", "a^", "a:b", "x.lock", ".x", "a//b", "a/", "a.", "@", "a@{1}", "HEAD"] {
            assert!(check_short_ref(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn owners_repositories_and_paths_cannot_leave_their_place() {
        assert!(check_login("acme-corp").is_ok() && check_repository_name("hello.world").is_ok());
        for bad in ["", "-a", "a-", "a/b", "a_b", "..", &"x".repeat(40)] {
            assert!(check_login(bad).is_err(), "{bad}");
        }
        for bad in ["", ".", "..", "a/b", "a.git", "a b", "ä"] {
            assert!(check_repository_name(bad).is_err(), "{bad}");
        }
        for bad in ["", "/a", "a/../b", ".git/config", "a/.GIT/x", "a\0b", "a//b", "\"a"] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
    }
}
