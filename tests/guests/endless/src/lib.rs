//! A plugin that never gets to the end of describing itself.
#![cfg(target_family = "wasm")]

use millstream::bindings::plugin_part::exports::millstream::plugin::plugin;

struct Endless;

impl plugin::Guest for Endless {
    fn describe() -> plugin::Description {
        let mut words = 0u64;
        loop {
            words = std::hint::black_box(words.wrapping_add(1));
        }
    }

    fn open(_node: u32, _opening: plugin::Opening) -> Result<(), String> {
        Ok(())
    }
}

millstream::bindings::plugin_part::export_plugin_part!(Endless with_types_in millstream::bindings::plugin_part);
