//! The macros that authors write.

/// Declares a struct of parameters, read from the node's `params`. Names in the manifest are kebab-case; a member
/// with `= value` may be left out.
///
/// ```
/// millstream::parameters! {
///     /// How to split.
///     pub struct Split {
///         "lower-case" lower_case: bool = false,
///     }
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! parameters {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($key:literal $member:ident : $type:ty $(= $absent:expr)?),* $(,)? }) => {
        $(#[$doc])*
        $vis struct $name { $(#[doc = $key] pub $member: $type),* }

        impl $crate::Parameters for $name {
            fn read(params: &$crate::__private::Value) -> ::std::result::Result<Self, String> {
                Ok(Self { $($member: $crate::__private::member::<$type>(params, $key, $crate::parameters!(@absent $($absent)?))?),* })
            }

            fn schema() -> String {
                let properties: &[(&str, &str)] = &[$(($key, <$type as $crate::ParameterValue>::TYPE)),*];
                let properties: Vec<String> = properties.iter().map(|(key, kind)| format!("{key:?}:{{\"type\":{kind:?}}}")).collect();
                format!("{{\"type\":\"object\",\"properties\":{{{}}}}}", properties.join(","))
            }
        }
    };
    (@absent) => { None };
    (@absent $absent:expr) => { Some($absent) };
}

/// Declares the plugin: its operators by kind and name, each over a function. See the crate's page.
#[macro_export]
macro_rules! plugin {
    ($($(#[doc = $doc:literal])* $kind:ident $name:literal $(($params:ty))? = $function:expr;)+) => {
        #[doc(hidden)]
        pub struct __Plugin;

        impl $crate::Plugin for __Plugin {
            const ABOUT: (&'static str, &'static str) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
            const ENTRIES: &'static [$crate::Entry] = &[$(
                $crate::plugin!(@entry $kind [$($doc),*] $name ($($params)?) $function)
            ),+];
        }

        #[cfg(target_family = "wasm")]
        const _: () = {
            $crate::__exports!(__Plugin);
        };
    };

    (@entry filter $docs:tt $name:literal $params:tt $f:expr) => { $crate::plugin!(@make "filter" $docs $name $params (FilterNode) $f) };
    (@entry map_values $docs:tt $name:literal $params:tt $f:expr) => { $crate::plugin!(@make "map-values" $docs $name $params (ValueNode) $f) };
    (@entry extract_topic $docs:tt $name:literal $params:tt $f:expr) => { $crate::plugin!(@make "extract-topic" $docs $name $params (ValueNode) $f) };
    (@entry select_key $docs:tt $name:literal $params:tt $f:expr) => { $crate::plugin!(@make "select-key" $docs $name $params (KeyNode) $f) };
    (@entry map $docs:tt $name:literal $params:tt $f:expr) => { $crate::plugin!(@make "map" $docs $name $params (MapNode) $f) };
    (@entry peek $docs:tt $name:literal $params:tt $f:expr) => { $crate::plugin!(@make "peek" $docs $name $params (EachNode) $f) };
    (@entry fold $docs:tt $name:literal ($p:ty) $f:expr) => { $crate::plugin!(@make "aggregate" $docs $name ($p) (FoldNode) $f) };
    (@entry flat_map_values $docs:tt $name:literal () $f:expr) => {
        $crate::plugin!(@entry_of "flat-map-values" $docs $name () |_| Ok(Box::new($crate::FlatNode((), |_: &(), r: $crate::Record<'_>, o: &mut $crate::Out| $f(r, o), false))))
    };
    (@entry flat_map_values $docs:tt $name:literal ($p:ty) $f:expr) => {
        $crate::plugin!(@entry_of "flat-map-values" $docs $name ($p) |params| Ok(Box::new($crate::FlatNode($crate::__private::read::<$p>(params)?, $f, false))))
    };
    (@entry flat_map $docs:tt $name:literal () $f:expr) => {
        $crate::plugin!(@entry_of "flat-map" $docs $name () |_| Ok(Box::new($crate::FlatNode((), |_: &(), r: $crate::Record<'_>, o: &mut $crate::Out| $f(r, o), true))))
    };
    (@entry flat_map $docs:tt $name:literal ($p:ty) $f:expr) => {
        $crate::plugin!(@entry_of "flat-map" $docs $name ($p) |params| Ok(Box::new($crate::FlatNode($crate::__private::read::<$p>(params)?, $f, true))))
    };
    (@entry reduce $docs:tt $name:literal () $f:expr) => {
        $crate::plugin!(@entry_of "reduce" $docs $name () |_| Ok(Box::new($crate::ReduceNode((), |_: &(), a: &[u8], v: Option<&[u8]>, _: $crate::Action| $f(a, v)))))
    };
    (@entry reduce $docs:tt $name:literal ($p:ty) $f:expr) => {
        $crate::plugin!(@entry_of "reduce" $docs $name ($p) |params| Ok(Box::new($crate::ReduceNode($crate::__private::read::<$p>(params)?, $f))))
    };
    (@entry aggregate $docs:tt $name:literal () $aggregate:expr) => {
        $crate::plugin!(@entry_of "aggregate" $docs $name () |_| Ok(Box::new($crate::AggregateNode($aggregate))))
    };
    (@make $kind:literal $docs:tt $name:literal () ($node:ident) $f:expr) => {
        $crate::plugin!(@entry_of $kind $docs $name () |_| Ok(Box::new($crate::$node((), |_: &(), r: $crate::Record<'_>| $f(r)))))
    };
    (@make $kind:literal $docs:tt $name:literal ($p:ty) ($node:ident) $f:expr) => {
        $crate::plugin!(@entry_of $kind $docs $name ($p) |params| Ok(Box::new($crate::$node($crate::__private::read::<$p>(params)?, $f))))
    };
    (@entry_of $kind:literal [$($doc:literal),*] $name:literal ($($p:ty)?) $open:expr) => {
        $crate::Entry {
            name: $name,
            kind: $kind,
            docs: &[$($doc),*],
            schema: <$crate::plugin!(@params $($p)?) as $crate::Parameters>::schema,
            open: $open,
        }
    };
    (@params) => { () };
    (@params $p:ty) => { $p };
}

/// The component's exports.
#[doc(hidden)]
#[macro_export]
macro_rules! __exports {
    ($plugin:ty) => {
        use $crate::__private::{fold, plugin, transform, types};

        struct __Exports;

        impl plugin::Guest for __Exports {
            fn describe() -> plugin::Description {
                $crate::__private::describe::<$plugin>()
            }

            fn open(node: u32, opening: plugin::Opening) -> Result<(), String> {
                $crate::__private::open::<$plugin>(node, &opening.operator, &opening.params)
            }
        }

        impl transform::Guest for __Exports {
            fn process(node: u32, batch: types::Columns) -> types::Outcome {
                $crate::answer(node, |node| node.transform(&batch))
            }
        }

        impl fold::Guest for __Exports {
            fn fold(
                node: u32,
                batch: types::Columns,
                states: types::Cells,
                steps: fold::Steps,
                reply: fold::Reply,
            ) -> fold::Folded {
                $crate::answer(node, |node| node.fold(&batch, states, &steps, reply))
            }
        }

        $crate::bindings::plugin_part::export_plugin_part!(__Exports with_types_in $crate::bindings::plugin_part);
        $crate::bindings::transform_part::export_transform_part!(__Exports with_types_in $crate::bindings::transform_part);
        $crate::bindings::fold_part::export_fold_part!(__Exports with_types_in $crate::bindings::fold_part);
    };
}

#[doc(hidden)]
pub mod private {
    pub use crate::bindings::fold_part::exports::millstream::plugin::fold;
    pub use crate::bindings::imports::millstream::plugin::types;
    pub use crate::bindings::plugin_part::exports::millstream::plugin::plugin;
    pub use crate::bindings::transform_part::exports::millstream::plugin::transform;
    pub use crate::node::{describe, open};
    pub use crate::params::member;
    pub use serde_json::Value;

    /// Reads parameters from JSON text.
    ///
    /// # Errors
    /// What does not fit.
    pub fn read<P: crate::Parameters>(params: &str) -> Result<P, String> {
        P::read(&serde_json::from_str(params).map_err(|error| error.to_string())?)
    }
}
