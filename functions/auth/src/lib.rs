//! Signing in: OAuth and OpenID in browsers, device login, CI jobs.
