//! The store against an embedded table engine: one test per promise.

#[cfg(test)]
mod attempts;
#[cfg(test)]
mod commits;
#[cfg(test)]
mod feeds;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod orgs;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod seals;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod writes;
