//! History in bulk: copies of one commit that really happened, written into the files of the table engine while nothing runs.
//!
//! A million checks through the API of the engine would take the better part of an hour. So the rows of one finished commit (its
//! run, ref, attempts, pointers and ledger, and their rows in the indexes) are copied with another commit id, other attempt ids and
//! an earlier time: what is stored is what that many pushes would have stored, without their outputs, which have partitions of
//! their own and are deleted after 90 days.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use quillon_core::commit::Commit;
use quillon_core::id::CommitSha;
use quillon_core::run::CommitKey;
use rusqlite::{Connection, Statement, params_from_iter};

/// Commits in one transaction.
const BATCH: usize = 1_000;

/// The tables of the engine's file that hold items, and their indexes.
struct Layout {
    checks: String,
    indexes: [String; 4],
}

impl Layout {
    fn new(checks: &str) -> Self {
        Self { checks: checks.to_owned(), indexes: ["gsi1", "gsi2", "gsi3", "gsi4"].map(|index| format!("{checks}::gsi::{index}")) }
    }
}

/// One row as it was read, and what of it differs between copies.
struct Row {
    texts: Vec<String>,
    size: i64,
    /// Positions in the commit's tokens of those that occur in this row.
    tokens: Vec<usize>,
}

/// Copies what is stored of a commit, to which this is the key, until there are `wanted` copies or time is up; how many were made.
///
/// `first` is the number of the first copy; copies of other numbers may be there already.
pub(crate) fn copy(path: &Path, checks: &str, commit: &Commit, first: usize, wanted: usize, patience: Duration) -> anyhow::Result<usize> {
    let began = Instant::now();
    let mut connection = Connection::open(path)?;
    // Nobody needs these copies after a power failure.
    connection.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA cache_size = -500000; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 20000;",
    )?;
    let layout = Layout::new(checks);
    let tokens = tokens(commit)?;
    let items = rows(&connection, &layout, &commit.key, commit, &tokens)?;
    let indexed = layout.indexes.iter().map(|index| index_rows(&connection, index, &commit.key, &tokens)).collect::<Result<Vec<_>, _>>()?;
    anyhow::ensure!(items.len() > commit.attempts.len() * 2, "the commit has only {} rows", items.len());

    let mut made = 0;
    while made < wanted && began.elapsed() < patience {
        let batch = BATCH.min(wanted - made);
        let transaction = connection.transaction()?;
        {
            let insert =
                format!("INSERT INTO \"{}\" (pk, sk, item_json, hash_prefix, item_size) VALUES (?1, ?2, ?3, ?4, ?5)", layout.checks);
            let mut insert = transaction.prepare(&insert)?;
            let mut index_inserts = Vec::new();
            for index in &layout.indexes {
                let insert = format!("INSERT INTO \"{index}\" (gsi_pk, gsi_sk, table_pk, table_sk, item_json) VALUES (?1, ?2, ?3, ?4, ?5)");
                index_inserts.push(transaction.prepare(&insert)?);
            }
            for number in first + made..first + made + batch {
                let replacements = replacements(&tokens, number);
                for row in &items {
                    write(&mut insert, row, &tokens, &replacements, true)?;
                }
                for (insert, rows) in index_inserts.iter_mut().zip(&indexed) {
                    for row in rows {
                        write(insert, row, &tokens, &replacements, false)?;
                    }
                }
            }
        }
        transaction.commit()?;
        made += batch;
    }
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(made)
}

/// The texts that differ between commits: its id, its time in keys, the ids of its attempts.
fn tokens(commit: &Commit) -> anyhow::Result<Vec<String>> {
    let run = commit.runs.last().context("the commit has no run")?;
    let created = format!("{:014}", run.created_at.as_millisecond());
    let attempts = commit.attempts.iter().map(|attempt| attempt.id.to_string());
    Ok([commit.key.sha.to_string(), created].into_iter().chain(attempts).collect())
}

/// What stands in a copy where the tokens stand in the original; of the same length, so that sizes stay true.
fn replacements(tokens: &[String], number: usize) -> Vec<String> {
    tokens
        .iter()
        .enumerate()
        .map(|(position, token)| match position {
            0 => sha(number),
            // A second between two pushes, all of them long before the original.
            1 => token.parse::<u64>().map_or_else(|_| token.clone(), |at| format!("{:014}", at - 1_000_000_000 + number as u64 * 1_000)),
            _ => format!("{}{:07}", &token[..token.len() - 9], number) + &format!("{:02}", position % 100),
        })
        .collect()
}

/// A commit id that is spread over the keys as real ones are.
fn sha(number: usize) -> String {
    let spread = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{spread:016x}{:024x}", number)
}

/// A copy's commit id, for a look whether it is there.
pub(crate) fn copied(number: usize) -> anyhow::Result<CommitSha> {
    Ok(sha(number).parse()?)
}

fn write(insert: &mut Statement<'_>, row: &Row, tokens: &[String], replacements: &[String], with_size: bool) -> anyhow::Result<()> {
    let texts = row
        .texts
        .iter()
        .map(|text| row.tokens.iter().fold(text.clone(), |text, token| text.replace(&tokens[*token], &replacements[*token])));
    let mut values: Vec<rusqlite::types::Value> = texts.map(rusqlite::types::Value::from).collect();
    if with_size {
        values.push(row.size.into());
    }
    insert.execute(params_from_iter(values))?;
    Ok(())
}

/// The items of a commit and the pointers to its attempts.
fn rows(connection: &Connection, layout: &Layout, key: &CommitKey, commit: &Commit, tokens: &[String]) -> anyhow::Result<Vec<Row>> {
    let select = format!("SELECT pk, sk, item_json, hash_prefix, item_size FROM \"{}\" WHERE pk = ?1", layout.checks);
    let mut select = connection.prepare(&select)?;
    let partitions = std::iter::once(partition(key)).chain(commit.attempts.iter().map(|attempt| format!("S:ID#{}", attempt.id)));
    let mut rows = vec![];
    for partition in partitions {
        let found = select
            .query_map([partition], |row| Ok(((0..4).map(|column| row.get(column)).collect::<Result<Vec<String>, _>>()?, row.get(4)?)))?;
        for row in found {
            let (texts, size) = row?;
            rows.push(Row::new(texts, size, tokens));
        }
    }
    Ok(rows)
}

fn index_rows(connection: &Connection, index: &str, key: &CommitKey, tokens: &[String]) -> anyhow::Result<Vec<Row>> {
    let select = format!("SELECT gsi_pk, gsi_sk, table_pk, table_sk, item_json FROM \"{index}\" WHERE table_pk = ?1");
    let mut select = connection.prepare(&select)?;
    let found = select.query_map([partition(key)], |row| (0..5).map(|column| row.get(column)).collect::<Result<Vec<String>, _>>())?;
    found.map(|texts| Ok(Row::new(texts?, 0, tokens))).collect()
}

impl Row {
    fn new(texts: Vec<String>, size: i64, tokens: &[String]) -> Self {
        let occurs = |token: &String| texts.iter().any(|text| text.contains(token.as_str()));
        let tokens = tokens.iter().enumerate().filter(|(_, token)| occurs(token)).map(|(position, _)| position).collect();
        Self { texts, size, tokens }
    }
}

/// The partition of a commit as the engine spells it: with the type of the attribute in front.
fn partition(key: &CommitKey) -> String {
    format!("S:R#{}#{}", key.repository, key.sha)
}
