//! A plugin that offers an aggregate and does not export the interface through which it would be called.
#![cfg(target_family = "wasm")]

use millstream::bindings::plugin_part::exports::millstream::plugin::plugin;

struct Halved;

impl plugin::Guest for Halved {
    fn describe() -> plugin::Description {
        plugin::Description {
            name: "halved".into(),
            version: "0.1.0".into(),
            sdk: "none".into(),
            operators: vec![plugin::Operator {
                name: "sum".into(),
                kind: "aggregate".into(),
                docs: String::new(),
                reads: plugin::Fields::VALUE,
                outputs: Vec::new(),
                state: None,
                stores: Vec::new(),
                params_schema: String::new(),
                properties: Vec::new(),
            }],
            properties: Vec::new(),
        }
    }

    fn open(_node: u32, _opening: plugin::Opening) -> Result<(), String> {
        Ok(())
    }
}

millstream::bindings::plugin_part::export_plugin_part!(Halved with_types_in millstream::bindings::plugin_part);
