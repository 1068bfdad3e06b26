//! A store is read only as what it was written as: another op, or another layout of states, would misread it.

use super::{App, RunError, app_reset};
use crate::store::{Db, KeyValueStore, Writes};
use crate::topology::plan::{CountFormat, StoreSpec, Values};
use crate::transport::{TopicSpec, Transport};

impl App {
    /// Refuses an app of which a reset was not finished, and stores whose rows, here or in the changelog, are not what the app takes them for; of the others it is noted
    /// what they are.
    pub(super) fn check_layouts(&self, db: &Db, log: &mut dyn Transport) -> Result<(), RunError> {
        let (mut writes, mut noted) = (Writes::default(), 0);
        let app = self.manifest.app.as_str();
        app_reset::must_be_over(db, app)?;
        for spec in self.blueprint.plan.subtopologies.iter().flat_map(|part| &part.stores) {
            let (store, was, now) = (&spec.name, KeyValueStore::layout(db, app, &spec.name)?, self.layout(spec));
            match was {
                Some(was) if was == now => {}
                Some(was) if self.has_rows(store, db, log)? => {
                    return Err(RunError::Layout { store: store.clone(), was, now });
                }
                // Rows of which nothing was noted are from before it was: they are taken for what the app says.
                _ => {
                    KeyValueStore::note_layout(&mut writes, app, store, &now);
                    noted += 1;
                }
            }
        }
        // Before any row: a store never holds rows of a layout that is not noted.
        if noted > 0 {
            db.apply(&writes, true)?;
        }
        Ok(())
    }

    /// What the values of a store are, if they are not what the app takes them for.
    pub(super) fn foreign(&self, store: &str, db: &Db) -> Result<Option<String>, RunError> {
        let mut specs = self.blueprint.plan.subtopologies.iter().flat_map(|part| &part.stores);
        let now = specs.find(|spec| spec.name == store).map(|spec| self.layout(spec));
        let was = KeyValueStore::layout(db, &self.manifest.app, store)?;
        Ok(was.filter(|was| Some(was) != now.as_ref()))
    }

    /// Whether anything would be read: a changelog fills an empty store, now or once it is used again.
    fn has_rows(&self, store: &str, db: &Db, log: &mut dyn Transport) -> Result<bool, RunError> {
        Ok(KeyValueStore::held(db, &self.manifest.app, store)? > 0 || self.has_rows_in_changelog(store, log)?)
    }

    /// Whether there is anything in a store's changelog.
    pub(super) fn has_rows_in_changelog(&self, store: &str, log: &mut dyn Transport) -> Result<bool, RunError> {
        for partition in log.topic(&self.blueprint.changelog(store))?.iter().flat_map(TopicSpec::all_partitions) {
            let (start, end) = log.bounds(&partition)?;
            if start < end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a store's values are, as text.
    pub(super) fn layout(&self, spec: &StoreSpec) -> String {
        match &spec.values {
            Values::Table => "table".into(),
            Values::Count(CountFormat::Long) => "count long".into(),
            Values::Count(CountFormat::Text) => "count text".into(),
            Values::Fold { plugin, operator } => {
                let operators = self.blueprint.plugins.get(plugin).map(|plugin| &plugin.description().operators);
                let found = operators.and_then(|all| all.iter().find(|found| found.name == *operator));
                let schema = found.and_then(|operator| operator.state.as_ref());
                schema.map_or_else(|| "fold".into(), |schema| format!("fold {} {}", schema.name, schema.version))
            }
        }
    }
}
