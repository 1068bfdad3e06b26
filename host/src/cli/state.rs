//! `state get`, `range`, `prefix`, `reset`.

use super::Manifest;
use super::out::{Error, print, print_bytes};
use super::topic::format::{Format, Shown};
use super::topic::notation::{Notations, Said};
use crate::record::partitions;
use crate::run::Access;
use crate::store::Entry;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(super) enum State {
    /// Print one row of a store.
    Get {
        #[command(flatten)]
        at: Place,
        /// The key.
        key: String,
    },
    /// Print the rows of a store, in byte order of their keys.
    Range {
        #[command(flatten)]
        at: Place,
        /// First key.
        from: Option<String>,
        /// Last key.
        to: Option<String>,
        /// Most rows.
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Print the rows whose keys begin with something.
    Prefix {
        #[command(flatten)]
        at: Place,
        /// What they begin with.
        prefix: String,
        /// Most rows.
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Delete the local rows of a store, to have it built anew from its changelog at the next run.
    ///
    /// Rows of another op or of another layout of states (MS-R010) go from the changelog too.
    #[command(after_help = "Example:\n  millstream state reset CountStore --yes && millstream run")]
    Reset {
        #[command(flatten)]
        manifest: Manifest,
        /// The store.
        store: String,
        /// Do it, instead of saying what would be done.
        #[arg(long)]
        yes: bool,
    },
}

/// Which store, and how its rows are shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream state get CountStore kafka -s value=q       counts are eight bytes
  millstream state range CountStore a c --limit 10
  millstream state prefix CountStore ka -f '%k=%s\\n' -s value=q")]
pub(super) struct Place {
    #[command(flatten)]
    manifest: Manifest,
    /// How keys and values are shown: s text, hex, or b h i q for integers of 1, 2, 4, 8 bytes; for both, or key=X, value=X.
    #[arg(short = 's', long, value_name = "NOTATION", value_parser = Said::parse)]
    show: Vec<Said>,
    /// What is printed for a row: %k key, %s value, %T timestamp, %t store, %p partition.
    #[arg(short, long, default_value = r"%k %s %T\n", value_parser = Format::parse)]
    format: Format,
    /// One JSON object a line.
    #[arg(short = 'J', long)]
    json: bool,
    /// The store.
    store: String,
}

/// Which rows.
struct Wanted {
    from: Vec<u8>,
    /// Up to, but without this one; none: to the last.
    to: Option<Vec<u8>>,
    limit: usize,
}

impl State {
    pub(super) fn run(self, data: &Path) -> Result<(), Error> {
        let (at, only, from, to, limit) = match self {
            Self::Get { at, key } => (at, true, Some(key.clone()), Some(key), None),
            Self::Range { at, from, to, limit } => (at, false, from, to, limit),
            Self::Prefix { at, prefix, limit } => {
                let from = at.key(Some(&prefix))?;
                let wanted = Wanted { to: after(&from), from, limit: limit.unwrap_or(usize::MAX) };
                return at.print(data, &wanted).map(drop);
            }
            Self::Reset { manifest, store, yes } => return reset(&manifest, &store, yes, data),
        };
        let mut to = to.as_deref().map(|key| at.key(Some(key))).transpose()?;
        // The key right after this one is the one with a zero behind it.
        to.iter_mut().for_each(|to| to.push(0));
        let wanted = Wanted { from: at.key(from.as_deref())?, to, limit: limit.unwrap_or(usize::MAX) };
        if at.print(data, &wanted)? == 0 && only {
            let what = format!("store {:?} has no key {:?}", at.store, from.unwrap_or_default());
            return Err(Error::failed("MS-C012", what, "millstream state range lists what is there"));
        }
        Ok(())
    }
}

/// Deletes a store's rows, or says what that would do.
fn reset(manifest: &Manifest, store: &str, yes: bool, data: &Path) -> Result<(), Error> {
    let done = manifest.load()?.reset_store(data, store, yes)?;
    let rows = if done.rows == 1 { "1 row".into() } else { format!("{} rows", done.rows) };
    let partitions = partitions(done.partitions);
    let what = if yes { "deleted" } else { "would be deleted" };
    let after = match (done.changelog, done.was) {
        (_, Some(was)) => format!("they are values of {was:?}, go from the changelog too and do not come back"),
        (Some(changelog), None) => format!("the next run restores them from {changelog}"),
        (None, None) => "no changelog holds them: they do not come back".into(),
    };
    let how = if yes { "" } else { "; --yes does it" };
    print(&format!("{rows} in {partitions} of {store} {what}; {after}{how}\n"));
    Ok(())
}

/// The first key after all that begin with `prefix`.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

impl Place {
    fn key(&self, text: Option<&str>) -> Result<Vec<u8>, Error> {
        let read = text.map(|text| Notations::of(&self.show).key.read(text)).transpose();
        let read = read.map_err(|what| Error::usage("MS-C006", what, "write the key in the notation of -s"))?;
        Ok(read.unwrap_or_default())
    }

    /// Prints the rows that are wanted, of all partitions together in byte order of keys. Says how many.
    fn print(&self, data: &Path, wanted: &Wanted) -> Result<usize, Error> {
        let app = self.manifest.load()?;
        let mut access = Access::open(data)?;
        let mut rows: Vec<(i32, Entry)> = Vec::new();
        // On a cluster the topics are elsewhere: what is here is all there is to see.
        let partitions = app.partitions_of(&self.store, access.log()?)?;
        for partition in 0..partitions.max(access.held(&app.manifest.app, &self.store)?) {
            let place = (app.manifest.app.as_str(), self.store.as_str(), partition);
            let found = access.rows(place, &wanted.from, wanted.to.as_deref(), wanted.limit)?;
            rows.extend(found.into_iter().map(|row| (partition, row)));
        }
        rows.sort_by(|(_, (left, ..)), (_, (right, ..))| left.cmp(right));
        rows.truncate(wanted.limit);
        for (partition, row) in &rows {
            self.row(*partition, row)?;
        }
        Ok(rows.len())
    }

    fn row(&self, partition: i32, (key, timestamp, value): &Entry) -> Result<(), Error> {
        let notations = Notations::of(&self.show);
        let unfit = |what: String| {
            Error::failed(
                "MS-C007",
                format!("{what}, in a row of store {:?}", self.store),
                "choose another notation with -s, such as value=s or value=hex",
            )
        };
        if self.json {
            let (key, value) = (notations.key.json(key).map_err(unfit)?, notations.value.json(value).map_err(unfit)?);
            let line =
                json!({ "store": self.store, "partition": partition, "key": key, "value": value, "ts": timestamp });
            print(&format!("{line}\n"));
            return Ok(());
        }
        let shown = Shown {
            topic: &self.store,
            partition,
            offset: 0,
            timestamp: *timestamp,
            key: Some(key),
            value: Some(value),
            headers: &[],
        };
        let mut out = Vec::new();
        self.format.write(&shown, notations, "", &mut out).map_err(unfit)?;
        print_bytes(&out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_where_they_should() {
        assert_eq!(after(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(after(b"a\xff"), Some(b"b".to_vec()));
        assert_eq!(after(b"\xff"), None);
        assert_eq!(after(b""), None);
    }
}
