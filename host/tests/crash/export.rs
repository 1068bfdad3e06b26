//! A data directory's entries, for the verifier.

use millstream::store::{Db, Family};
use std::io::Write;
use std::path::Path;

/// Writes all entries of these families to a file: family, key and value, each after its length.
pub(crate) fn export(db: &Db, families: &[(Family, &str)], to: &Path) {
    let file = std::fs::File::create(to).expect("the export can be written");
    let mut file = std::io::BufWriter::new(file);
    for (family, name) in families {
        let mut written = Ok(());
        let scanned = db.scan(*family, b"", false, |key, value| {
            written = [name.as_bytes(), key, value].iter().try_for_each(|field| {
                let length = u32::try_from(field.len()).expect("entries are small");
                file.write_all(&length.to_be_bytes()).and_then(|()| file.write_all(field))
            });
            written.is_ok()
        });
        scanned.expect("the data directory can be read");
        written.expect("the export can be written");
    }
    file.flush().expect("the export can be written");
}
