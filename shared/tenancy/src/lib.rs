//! People, orgs, members, tokens: the write path of whatever says who may do what.

pub mod secret;
