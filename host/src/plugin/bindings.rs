//! Host bindings, generated from `wit/`.
#![expect(unreachable_pub, reason = "generated")]

pub mod imports {
    wasmtime::component::bindgen!({ path: "../wit", world: "imports" });
}

pub mod plugin {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "plugin-part",
        with: { "millstream:plugin/types@0.1.0": super::imports::millstream::plugin::types },
    });
}

pub mod transform {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "transform-part",
        with: { "millstream:plugin/types@0.1.0": super::imports::millstream::plugin::types },
    });
}

pub mod fold {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "fold-part",
        with: { "millstream:plugin/types@0.1.0": super::imports::millstream::plugin::types },
    });
}
