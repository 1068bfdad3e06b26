//! `check`, `topology`.

use super::Manifest;
use super::out::{Error, print, table};
use crate::run::App;
use crate::topology::plan::{StepOp, Target};
use crate::topology::{Format, describe};
use clap::{Args, ValueEnum};

impl Manifest {
    pub(super) fn check(&self) -> Result<(), Error> {
        let app = self.load()?;
        let plan = &app.blueprint.plan;
        let steps: usize = plan.subtopologies.iter().map(|part| part.steps.len()).sum();
        print(&table(&found(&app)));
        let parts = plan.subtopologies.len();
        let plural = if parts == 1 { "y" } else { "ies" };
        print(&format!("{} is sound: {parts} sub-topolog{plural}, {steps} steps\n", self.path.display()));
        Ok(())
    }
}

/// What an app is made of, a row each.
fn found(app: &App) -> Vec<Vec<String>> {
    let row = |kind: &str, name: &str, about: String| vec![kind.to_owned(), name.to_owned(), about];
    let settings = &app.manifest.settings;
    let about = format!("{}, commits every {:?}", settings.guarantee(), settings.commit_interval);
    let mut rows = vec![row("app", &app.manifest.app, about)];
    for (name, plugin) in &app.blueprint.plugins {
        let about = plugin.description();
        let digest: String = plugin.digest().chars().take(12).collect();
        let operators = about.operators.len();
        rows.push(row(
            "plugin",
            name,
            format!("{} {}, {operators} operators, sha256:{digest}", about.name, about.version),
        ));
    }
    for part in &app.blueprint.plan.subtopologies {
        for step in &part.steps {
            match &step.op {
                StepOp::Source { topic, .. } => rows.push(row("source", &step.name, format!("topic {topic}"))),
                StepOp::Sink { target: Target::Topic(topic) } => {
                    rows.push(row("sink", &step.name, format!("topic {topic}")))
                }
                StepOp::Sink { target: Target::Call(call) } => {
                    rows.push(row("sink", &step.name, format!("topic chosen by {}.{}", call.plugin, call.operator)));
                }
                _ => {}
            }
        }
        let changelog = |logged| if logged { "with a changelog" } else { "without a changelog" };
        rows.extend(part.stores.iter().map(|store| row("store", &store.name, changelog(store.changelog).into())));
    }
    if let Some(topic) = &app.blueprint.plan.dead_letter_topic {
        rows.push(row("dead letters", "", format!("topic {topic}")));
    }
    rows
}

/// Show how an app is taken apart into tasks.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream topology                              as Kafka Streams' Topology#describe() prints it
  millstream topology --format dot | dot -Tsvg > topology.svg")]
pub(super) struct Show {
    #[command(flatten)]
    manifest: Manifest,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    Text,
    Mermaid,
    Dot,
    Json,
}

impl Show {
    pub(super) fn show(&self) -> Result<(), Error> {
        let app = self.manifest.load()?;
        let format = match self.format {
            Shape::Text => Format::Text,
            Shape::Mermaid => Format::Mermaid,
            Shape::Dot => Format::Dot,
            Shape::Json => Format::Json,
        };
        print(&describe(&app.blueprint.plan, format));
        Ok(())
    }
}
