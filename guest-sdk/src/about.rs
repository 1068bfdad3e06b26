//! What a description says of an operator because of its function or type.

use crate::bindings::plugin_part::exports::millstream::plugin::plugin::Operator;
use crate::{Aggregate, Failed, Opening, Processor};

/// Of a function: nothing.
pub fn about_function(_operator: &mut Operator) {}

/// Of an aggregate.
pub fn about_aggregate<A: Aggregate>(operator: &mut Operator, _make: impl Fn() -> A) {
    operator.state = A::SCHEMA.map(Into::into);
    can(operator, "merge", A::MERGES);
    can(operator, "subtract", A::SUBTRACTS);
}

/// Of an aggregate that is made of parameters.
pub fn about_made<P, A: Aggregate>(operator: &mut Operator, make: impl Fn(P) -> A) {
    let _ = make;
    about_aggregate(operator, || -> A { unreachable!("it is asked for its type only") });
}

/// Of a reducer. What it does to a value it does to another session's state too.
pub fn about_reduce(operator: &mut Operator, subtracts: bool) {
    can(operator, "merge", true);
    can(operator, "subtract", subtracts);
}

/// Of a processor.
pub fn about_processor<T: Processor>(operator: &mut Operator, _open: impl Fn(&Opening<'_>) -> Result<T, Failed>) {
    operator.stores = T::STORES.iter().map(crate::StoreUse::describe).collect();
    if T::FAILED_STAND {
        operator.properties.push(("failed-rows".into(), "stand".into()));
    }
}

fn can(operator: &mut Operator, step: &str, able: bool) {
    if able {
        operator.properties.push((step.into(), "true".into()));
    }
}
