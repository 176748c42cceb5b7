//! The store against an embedded table engine: one test per promise.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod attempts;
#[cfg(test)]
mod commits;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod feeds;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_accounts;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod members;
#[cfg(test)]
mod names;
#[cfg(test)]
mod orgs;
#[cfg(test)]
mod people;
#[cfg(test)]
mod purge;
#[cfg(test)]
mod purge_runs;
#[cfg(test)]
mod repositories;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod seals;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod writes;
