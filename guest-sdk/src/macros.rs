//! The macro that authors write, and what it is made of.

/// Declares the plugin: its operators by kind and name, each over a function or a type.
///
/// ```text
/// /// What it does, for people.
/// KIND "name" = FUNCTION;
/// KIND "name" (Params) = FUNCTION;                 with parameters, which the function takes first
/// KIND "name" -> ["even", "odd"] = FUNCTION;       with named outputs (flat maps and processors)
/// KIND "name" reads [key, value] = FUNCTION;       looks at no other field: the host does not hand them over
/// ```
///
/// What is not read is null (or 0, or no headers) in the record; rows that go on have it all the same. Fields are `key`,
/// `value`, `timestamp` and `headers`. An operator that adds headers reads them.
///
/// | kind | its function |
/// |---|---|
/// | `filter` | `fn(Record) -> bool` |
/// | `map_values` | `fn(Record) -> value` |
/// | `select_key` | `fn(Record) -> key` |
/// | `map` | `fn(Record) -> (key, value)` |
/// | `flat_map`, `flat_map_values` | `fn(Record, &mut Out)` |
/// | `peek` | `fn(Record)` |
/// | `extract_topic` | `fn(Record) -> text` |
/// | `extract_timestamp` | `fn(Record, partition_time: i64) -> i64` |
/// | `aggregate` | a value that is an [`Aggregate`](crate::Aggregate); with parameters, a function that makes one of them |
/// | `reduce` | `fn(aggregate: &[u8], value: Option<&[u8]>) -> value`; over tables `= add, subtract = take_off` |
/// | `join` | `fn(left: Option<Record>, right: Option<Record>) -> value` |
/// | `process`, `process_values` | `fn(&Opening) -> Result<impl Processor, Failed>`; with parameters, they come second |
/// | `migrate` | `fn(Old, Record) -> value`: turns a state of an older schema of the operator of this name |
///
/// Any of them may return a `Result`: an error sets the record aside by the node's policy, and the rest goes on.
///
/// The component exports what its kinds need and nothing else.
#[macro_export]
macro_rules! plugin {
    ($(
        $(#[doc = $doc:literal])*
        $kind:ident $name:literal $(($params:ty))? $(-> [$($output:literal),+ $(,)?])?
        $(reads [$($read:ident),+ $(,)?])? = $function:expr
        $(, subtract = $subtract:expr)?;
    )+) => {
        /// The plugin's operators.
        pub struct Operators;

        impl $crate::Plugin for Operators {
            const ABOUT: (&'static str, &'static str) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
            const ENTRIES: &'static [$crate::Entry] = $crate::__entries!([] $(
                [$kind [$($doc)*] $name [$($params)?] [$($($output)+)?; $($($read)+)?] [$function] [$($subtract)?]]
            )+);
            const MIGRATIONS: &'static [(&'static str, $crate::Migration)] = $crate::__migrations!([] $([$kind $name $function])+);
        }

        #[cfg(target_family = "wasm")]
        const _: () = {
            $crate::__exports!([- - - - -] $($kind)+);
        };
    };
}

/// The list of entries: every line but the migrations.
#[doc(hidden)]
#[macro_export]
macro_rules! __entries {
    ([$($entry:tt)*]) => { &[$($entry)*] };
    ([$($entry:tt)*] [migrate $($skipped:tt)*] $($rest:tt)*) => { $crate::__entries!([$($entry)*] $($rest)*) };
    ([$($entry:tt)*] [$($line:tt)*] $($rest:tt)*) => {
        $crate::__entries!([$($entry)* $crate::__entry!($($line)*),] $($rest)*)
    };
}

/// The list of migrations.
#[doc(hidden)]
#[macro_export]
macro_rules! __migrations {
    ([$($entry:tt)*]) => { &[$($entry)*] };
    ([$($entry:tt)*] [migrate $name:literal $function:expr] $($rest:tt)*) => {
        $crate::__migrations!([
            $($entry)*
            ($name, |old, state, bytes| $crate::__private::migrated($function(old, state), bytes)),
        ] $($rest)*)
    };
    ([$($entry:tt)*] [$($skipped:tt)*] $($rest:tt)*) => { $crate::__migrations!([$($entry)*] $($rest)*) };
}

/// One line: which word of the contract it is, and which node does it.
#[doc(hidden)]
#[macro_export]
macro_rules! __entry {
    (filter $($line:tt)*) => { $crate::__function!("filter" Filter $($line)*) };
    (map_values $($line:tt)*) => { $crate::__function!("map-values" Value $($line)*) };
    (select_key $($line:tt)*) => { $crate::__function!("select-key" Key $($line)*) };
    (map $($line:tt)*) => { $crate::__function!("map" Map $($line)*) };
    (flat_map $($line:tt)*) => { $crate::__function!("flat-map" Flat $($line)*) };
    (flat_map_values $($line:tt)*) => { $crate::__function!("flat-map-values" Flat $($line)*) };
    (peek $($line:tt)*) => { $crate::__function!("peek" Peek $($line)*) };
    (extract_topic $($line:tt)*) => { $crate::__function!("extract-topic" Value $($line)*) };
    (extract_timestamp $($line:tt)*) => { $crate::__function!("extract-timestamp" Timestamp $($line)*) };
    (join $($line:tt)*) => { $crate::__function!("join" Join $($line)*) };
    (process $($line:tt)*) => { $crate::__processor!("process" $($line)*) };
    (process_values $($line:tt)*) => { $crate::__processor!("process-values" $($line)*) };
    (reduce $docs:tt $name:literal [] $outputs:tt [$f:expr] []) => {
        $crate::__reduce!($docs $name $outputs [] false
            ($crate::__private::Plain($f), $crate::__private::NoSubtract))
    };
    (reduce $docs:tt $name:literal [] $outputs:tt [$f:expr] [$s:expr]) => {
        $crate::__reduce!($docs $name $outputs [] true ($crate::__private::Plain($f), $crate::__private::Plain($s)))
    };
    (reduce $docs:tt $name:literal [$p:ty] $outputs:tt [$f:expr] []) => {
        $crate::__reduce!($docs $name $outputs [$p] false
            ($crate::__private::With($f), $crate::__private::NoSubtract))
    };
    (reduce $docs:tt $name:literal [$p:ty] $outputs:tt [$f:expr] [$s:expr]) => {
        $crate::__reduce!($docs $name $outputs [$p] true ($crate::__private::With($f), $crate::__private::With($s)))
    };
    (aggregate $docs:tt $name:literal [] $outputs:tt [$aggregate:expr] []) => {
        $crate::__line!("aggregate" $docs $name $outputs []
            about_aggregate(|| $aggregate),
            |_| Ok(Box::new($crate::__private::AggregateNode($aggregate))))
    };
    (aggregate $docs:tt $name:literal [$p:ty] $outputs:tt [$make:expr] []) => {
        $crate::__line!("aggregate" $docs $name $outputs [$p]
            about_made($make),
            |opening| Ok(Box::new($crate::__private::AggregateNode($make($crate::__private::read::<$p>(opening.params())?)))))
    };
}

/// An operator that is a function.
#[doc(hidden)]
#[macro_export]
macro_rules! __function {
    ($kind:literal $node:ident $docs:tt $name:literal [] $outputs:tt [$f:expr] []) => {
        $crate::__line!($kind $docs $name $outputs [] about_function(), |opening| Ok(Box::new(
            $crate::__private::Call::<$crate::__private::kind::$node, _, _>::new((), $crate::__private::Plain($f), opening)
        )))
    };
    ($kind:literal $node:ident $docs:tt $name:literal [$p:ty] $outputs:tt [$f:expr] []) => {
        $crate::__line!($kind $docs $name $outputs [$p] about_function(), |opening| Ok(Box::new(
            $crate::__private::Call::<$crate::__private::kind::$node, $p, _>::new(
                $crate::__private::read::<$p>(opening.params())?, $crate::__private::With($f), opening)
        )))
    };
}

/// An operator that is a processor.
#[doc(hidden)]
#[macro_export]
macro_rules! __processor {
    ($kind:literal $docs:tt $name:literal [] $outputs:tt [$open:expr] []) => {
        $crate::__line!($kind $docs $name $outputs []
            about_processor(|opening| $open(opening)),
            |opening| Ok(Box::new($crate::__private::ProcessorNode::new($open(opening)?, opening))))
    };
    ($kind:literal $docs:tt $name:literal [$p:ty] $outputs:tt [$open:expr] []) => {
        $crate::__line!($kind $docs $name $outputs [$p]
            about_processor(|opening| $open(opening, $crate::__private::read::<$p>(opening.params())?)),
            |opening| Ok(Box::new($crate::__private::ProcessorNode::new(
                $open(opening, $crate::__private::read::<$p>(opening.params())?)?, opening))))
    };
}

/// An operator that reduces.
#[doc(hidden)]
#[macro_export]
macro_rules! __reduce {
    ($docs:tt $name:literal $outputs:tt [] $subtracts:literal $functions:expr) => {
        $crate::__line!("reduce" $docs $name $outputs [] about_reduce($subtracts), |opening| Ok(Box::new(
            $crate::__private::Call::<$crate::__private::kind::Reduce, _, _>::new((), $functions, opening)
        )))
    };
    ($docs:tt $name:literal $outputs:tt [$p:ty] $subtracts:literal $functions:expr) => {
        $crate::__line!("reduce" $docs $name $outputs [$p] about_reduce($subtracts), |opening| Ok(Box::new(
            $crate::__private::Call::<$crate::__private::kind::Reduce, $p, _>::new(
                $crate::__private::read::<$p>(opening.params())?, $functions, opening)
        )))
    };
}

/// The entry that a line comes to. `about` names a function of [`crate::about`] and what it gets besides the operator.
#[doc(hidden)]
#[macro_export]
macro_rules! __line {
    (
        $kind:literal [$($doc:literal)*] $name:literal [$($output:literal)*; $($read:ident)*] [$($params:ty)?]
        $about:ident($($told:expr)?), $open:expr
    ) => {
        $crate::Entry {
            name: $name,
            kind: $kind,
            docs: &[$($doc),*],
            outputs: &[$($output),*],
            reads: &[$($crate::__private::Read::$read),*],
            about: |operator| {
                $crate::__private::about::$about(operator $(, $told)?);
                $(operator.params_schema = $crate::__private::schema::<$params>();)?
            },
            open: $open,
        }
    };
}

/// The component's exports: one sign for each interface, `+` once a kind has asked for it.
#[doc(hidden)]
#[macro_export]
macro_rules! __exports {
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] filter $($rest:ident)*) => { $crate::__exports!([+ $f $j $p $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] map_values $($rest:ident)*) => { $crate::__exports!([+ $f $j $p $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] select_key $($rest:ident)*) => { $crate::__exports!([+ $f $j $p $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] map $($rest:ident)*) => { $crate::__exports!([+ $f $j $p $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] flat_map $($rest:ident)*) => { $crate::__exports!([+ $f $j $p $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] flat_map_values $($rest:ident)*) => { $crate::__exports!([+ $f $j $p $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] peek $($rest:ident)*) => { $crate::__exports!([+ $f $j $p $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] extract_topic $($rest:ident)*) => { $crate::__exports!([+ $f $j $p $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] extract_timestamp $($rest:ident)*) => { $crate::__exports!([+ $f $j $p $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] aggregate $($rest:ident)*) => { $crate::__exports!([$t + $j $p $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] reduce $($rest:ident)*) => { $crate::__exports!([$t + $j $p $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] join $($rest:ident)*) => { $crate::__exports!([$t $f + $p $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] process $($rest:ident)*) => { $crate::__exports!([$t $f $j + $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] process_values $($rest:ident)*) => { $crate::__exports!([$t $f $j + $l] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt] migrate $($rest:ident)*) => { $crate::__exports!([$t $f $j $p +] $($rest)*); };
    ([$t:tt $f:tt $j:tt $p:tt $l:tt]) => {
        use $crate::__private::{lifecycle, plugin, processor, fold, join, transform, types};

        struct Exports;

        impl plugin::Guest for Exports {
            fn describe() -> plugin::Description {
                $crate::__private::describe::<Operators>()
            }

            fn open(node: u32, opening: plugin::Opening) -> Result<(), String> {
                let plugin::Opening { operator, params, outputs, properties } = opening;
                let opening = $crate::Opening::new(node, &operator, &params, &outputs, &properties);
                $crate::__private::open::<Operators>(&opening)
            }
        }

        $crate::bindings::plugin_part::export_plugin_part!(Exports with_types_in $crate::bindings::plugin_part);
        $crate::__export!($t transform);
        $crate::__export!($f fold);
        $crate::__export!($j join);
        $crate::__export!($p processor);
        $crate::__export!($l lifecycle);
    };
}

/// One interface, if it was asked for.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    (- $interface:ident) => {};
    (+ transform) => {
        impl transform::Guest for Exports {
            fn process(node: u32, batch: types::Columns) -> types::Outcome {
                $crate::__private::answer(node, |node| node.transform(&batch))
            }
        }
        $crate::bindings::transform_part::export_transform_part!(Exports with_types_in $crate::bindings::transform_part);
    };
    (+ fold) => {
        impl fold::Guest for Exports {
            fn fold(
                node: u32,
                batch: types::Columns,
                states: types::Cells,
                steps: fold::Steps,
                reply: fold::Reply,
            ) -> fold::Folded {
                $crate::__private::answer(node, |node| node.fold(&batch, &states, &steps, reply))
            }
        }
        $crate::bindings::fold_part::export_fold_part!(Exports with_types_in $crate::bindings::fold_part);
    };
    (+ join) => {
        impl join::Guest for Exports {
            fn join(node: u32, left: types::Columns, right: types::Columns, pairs: join::Pairs) -> types::Outcome {
                $crate::__private::answer(node, |node| node.join(&left, &right, &pairs))
            }
        }
        $crate::bindings::join_part::export_join_part!(Exports with_types_in $crate::bindings::join_part);
    };
    (+ processor) => {
        impl processor::Guest for Exports {
            fn process(node: u32, batch: types::Columns) -> types::Outcome {
                $crate::__private::answer(node, |node| node.process(&batch))
            }

            fn punctuate(node: u32, due: types::Columns) -> types::Outcome {
                $crate::__private::answer(node, |node| node.punctuate(&due))
            }
        }
        $crate::bindings::processor_part::export_processor_part!(Exports with_types_in $crate::bindings::processor_part);
    };
    (+ lifecycle) => {
        impl lifecycle::Guest for Exports {
            fn migrate(
                node: u32,
                store: Option<String>,
                old: types::Schema,
                rows: types::Columns,
            ) -> lifecycle::Migrated {
                $crate::__private::migrate(node, store.as_deref(), &old, &rows)
            }
        }
        $crate::bindings::lifecycle_part::export_lifecycle_part!(Exports with_types_in $crate::bindings::lifecycle_part);
    };
}

#[doc(hidden)]
pub mod private {
    pub use crate::about;
    pub use crate::bindings::fold_part::exports::millstream::plugin::fold;
    pub use crate::bindings::imports::millstream::plugin::types;
    pub use crate::bindings::join_part::exports::millstream::plugin::join;
    pub use crate::bindings::lifecycle_part::exports::millstream::plugin::lifecycle;
    pub use crate::bindings::plugin_part::exports::millstream::plugin::plugin;
    pub use crate::bindings::processor_part::exports::millstream::plugin::processor;
    pub use crate::bindings::transform_part::exports::millstream::plugin::transform;
    pub use crate::fold::{AggregateNode, NoSubtract};
    pub use crate::function::{Plain, With};
    pub use crate::lifecycle::write as migrated;
    pub use crate::node::{Call, Read, answer, describe, kind, migrate, open};
    pub use crate::params::{read, schema};
    pub use crate::processor::ProcessorNode;
}
