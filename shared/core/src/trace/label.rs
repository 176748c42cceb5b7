//! Who ran what, where and for which commit, from the labels of the CLI.
