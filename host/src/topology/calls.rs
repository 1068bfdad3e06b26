//! What nodes call, held against what plugins offer.

use super::ops::{self, Kind};
use super::problem::nearest;
use super::{Node, Problem, Topology};
use crate::plugin::port::{Description, Operator};
use serde_json::Value;

/// Checks a parameter object against an operator's schema; says what does not fit.
pub(super) type CheckParams<'a> = &'a dyn Fn(&Operator, &Value) -> Result<(), String>;

/// All calls that do not fit the plugins' descriptions.
pub fn check_calls<'a>(
    topology: &Topology,
    describe: &dyn Fn(&str) -> Option<&'a Description>,
    check_params: CheckParams<'_>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for node in &topology.nodes {
        for call in &node.calls {
            let Some(description) = describe(&call.plugin) else { continue };
            let operators = &description.operators;
            let Some(operator) = operators.iter().find(|operator| operator.name == call.operator) else {
                let near = nearest(&call.operator, operators.iter().map(|operator| operator.name.as_str()));
                let names: Vec<&str> = operators.iter().map(|operator| operator.name.as_str()).collect();
                let remedy = if near.is_empty() { format!("it has {}", names.join(", ")) } else { near };
                let what = format!("plugin {:?} has no operator {:?}", call.plugin, call.operator);
                problems.push(Problem::new("MS-T015", node.line_of("call"), what, remedy));
                continue;
            };
            let kinds = wanted(topology, node);
            if !kinds.contains(&operator.kind.as_str()) {
                let what = format!(
                    "{}.{} is of kind {:?}, but {:?} calls one of kind {}",
                    call.plugin,
                    call.operator,
                    operator.kind,
                    node.op,
                    kinds.join(" or ")
                );
                problems.push(Problem::new(
                    "MS-T016",
                    node.line_of("call"),
                    what,
                    "call another operator, or use the op that fits it",
                ));
            } else if let Err(reason) = check_params(operator, &call.params) {
                let what =
                    format!("{}.{} does not take the parameters {}: {reason}", call.plugin, call.operator, call.params);
                let line = node.line_of("params");
                problems.push(Problem::new("MS-T017", line, what, "see millstream plugin inspect for the schema"));
            }
        }
    }
    problems
}

fn wanted(topology: &Topology, node: &Node) -> &'static [&'static str] {
    let kind = node.inputs.first().and_then(|(from, _)| topology.nodes.get(*from)).map(|from| from.kind);
    let over_table = matches!(kind, Some(Kind::Table | Kind::GroupedTable));
    ops::find(node.op).map_or(&[], |op| if over_table { op.calls.1 } else { op.calls.0 })
}
