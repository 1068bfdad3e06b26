//! Which way a row came, so that paths which meet again can be put into the order of one record at a time.

use std::cmp::Ordering;

/// A row's way through the branching nodes of its subtopology; [`Path::ROOT`] before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path(u32);

impl Path {
    /// No branching node was passed.
    pub const ROOT: Self = Self(0);
}

#[derive(Clone, Copy, Debug)]
struct Step {
    parent: u32,
    depth: u32,
    /// The row's place in the branching node's output, then the child that it went to.
    place: (u32, u32),
}

/// The paths of one turn: a tree whose nodes are "row `i` of this output went to child `c`".
///
/// Depth first order is the lexicographic order of those steps. Rows that took the same path are in order already,
/// because every operator keeps the order of its input.
#[derive(Debug, Default)]
pub struct Paths {
    steps: Vec<Step>,
}

impl Paths {
    /// The path that goes on from `from`: the row at `row` of the branching node's output goes to child `child`.
    #[expect(clippy::cast_possible_truncation, reason = "a turn has far fewer than 2^32 rows")]
    pub fn step(&mut self, from: Path, row: u32, child: u32) -> Path {
        let depth = self.depth(from) + 1;
        self.steps.push(Step { parent: from.0, depth, place: (row, child) });
        Path(self.steps.len() as u32)
    }

    /// Which of two paths that begin at the same input record comes first, depth first.
    pub fn compare(&self, a: Path, b: Path) -> Ordering {
        let (mut a, mut b) = (a, b);
        while self.depth(a) > self.depth(b) {
            a = self.parent(a);
        }
        while self.depth(b) > self.depth(a) {
            b = self.parent(b);
        }
        let mut order = Ordering::Equal;
        while a != b {
            order = self.place(a).cmp(&self.place(b)).then(order);
            a = self.parent(a);
            b = self.parent(b);
        }
        order
    }

    /// Forgets all paths.
    pub fn clear(&mut self) {
        self.steps.clear();
    }

    fn at(&self, path: Path) -> Option<&Step> {
        self.steps.get((path.0 as usize).checked_sub(1)?)
    }

    fn depth(&self, path: Path) -> u32 {
        self.at(path).map_or(0, |step| step.depth)
    }

    fn parent(&self, path: Path) -> Path {
        Path(self.at(path).map_or(0, |step| step.parent))
    }

    fn place(&self, path: Path) -> (u32, u32) {
        self.at(path).map_or((0, 0), |step| step.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_depth_first() {
        let mut paths = Paths::default();
        let first_left = paths.step(Path::ROOT, 0, 0);
        let second_left = paths.step(Path::ROOT, 1, 0);
        let first_right = paths.step(Path::ROOT, 0, 1);
        let deep = paths.step(first_left, 7, 3);
        assert_eq!(paths.compare(first_left, first_right), Ordering::Less);
        assert_eq!(paths.compare(first_right, second_left), Ordering::Less);
        assert_eq!(paths.compare(deep, first_right), Ordering::Less);
        assert_eq!(paths.compare(second_left, deep), Ordering::Greater);
        assert_eq!(paths.compare(deep, deep), Ordering::Equal);
    }
}
