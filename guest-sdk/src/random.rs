//! Chance that can be repeated: the same record gets the same numbers, however records are cut into batches and after a
//! crash too.

#[cfg(target_family = "wasm")]
use crate::bindings::imports::millstream::plugin::random as host;
#[cfg(not(target_family = "wasm"))]
use crate::native::random as host;
use crate::node::at;
use std::cell::Cell;

/// State of the generator, xoroshiro128++, and the call, node and row that it was seeded for.
type Generator = (u64, u64, (u64, u32, u32));

thread_local! {
    static GENERATOR: Cell<Generator> = const { Cell::new((0, 0, (0, 0, 0))) };
}

/// The next 64 random bits of the record at hand.
pub fn bits() -> u64 {
    let here = at();
    let (mut a, mut b, seeded_for) = GENERATOR.get();
    if seeded_for != here {
        (a, b) = host::seed(here.1, here.2);
        if a | b == 0 {
            b = 1;
        }
    }
    let bits = a.wrapping_add(b).rotate_left(17).wrapping_add(a);
    b ^= a;
    GENERATOR.set((a.rotate_left(49) ^ b ^ (b << 21), b.rotate_left(28), here));
    bits
}

/// The next number in 0..1 of the record at hand.
pub fn fraction() -> f64 {
    (bits() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::at_row;

    #[test]
    fn a_row_has_its_own_numbers_and_gets_them_again() {
        let draw = |row| {
            at_row(row);
            GENERATOR.set((0, 0, (u64::MAX, 0, 0)));
            [bits(), bits(), bits()]
        };
        let (first, second) = (draw(0), draw(1));
        assert_ne!(first, second);
        assert_ne!(first[0], first[1]);
        assert_eq!(draw(0), first);
        assert!((0..1000).all(|row| (0.0..1.0).contains(&{
            at_row(row);
            fraction()
        })));
    }
}
