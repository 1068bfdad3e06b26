//! Two lists beside each other.

/// Cells of the table of common parts at most; longer lists are compared place by place. 16 MiB of counts.
const CELLS_MAX: usize = 1 << 22;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// Entry `.0` of the first fits entry `.1` of the second.
    Same(usize, usize),
    /// Only the first has it.
    Missing(usize),
    /// Only the second has it.
    Extra(usize),
}

/// The shortest way from one list to another: what is missing comes before what is there instead.
pub(super) fn edits(left: usize, right: usize, fits: impl Fn(usize, usize) -> bool) -> Vec<Edit> {
    let before = (0..left.min(right)).take_while(|at| fits(*at, *at)).count();
    let mut edits: Vec<Edit> = (0..before).map(|at| Edit::Same(at, at)).collect();
    let (width, height) = (right - before + 1, left - before + 1);
    if width.saturating_mul(height) > CELLS_MAX {
        edits.extend((before..left).map(Edit::Missing));
        edits.extend((before..right).map(Edit::Extra));
        return edits;
    }
    // Length of the longest common part of what follows each pair of places.
    let mut common = vec![0u32; width * height];
    let at = |row: usize, column: usize| row * width + column;
    let look = |common: &[u32], row: usize, column: usize| common.get(at(row, column)).copied().unwrap_or(0);
    for row in (0..height - 1).rev() {
        for column in (0..width - 1).rev() {
            let longest = if fits(before + row, before + column) {
                look(&common, row + 1, column + 1) + 1
            } else {
                look(&common, row + 1, column).max(look(&common, row, column + 1))
            };
            if let Some(cell) = common.get_mut(at(row, column)) {
                *cell = longest;
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    while row < height - 1 || column < width - 1 {
        let (ends, other) = (row == height - 1, column == width - 1);
        if !ends && !other && fits(before + row, before + column) {
            edits.push(Edit::Same(before + row, before + column));
            (row, column) = (row + 1, column + 1);
        } else if other || (!ends && look(&common, row + 1, column) >= look(&common, row, column + 1)) {
            edits.push(Edit::Missing(before + row));
            row += 1;
        } else {
            edits.push(Edit::Extra(before + column));
            column += 1;
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(left: &str, right: &str) -> String {
        let (left, right) = (left.as_bytes(), right.as_bytes());
        let letter = |edit| match edit {
            Edit::Same(at, _) => format!(" {}", left[at] as char),
            Edit::Missing(at) => format!("-{}", left[at] as char),
            Edit::Extra(at) => format!("+{}", right[at] as char),
        };
        edits(left.len(), right.len(), |a, b| left[a] == right[b]).into_iter().map(letter).collect()
    }

    #[test]
    fn shows_what_changed() {
        assert_eq!(shown("abc", "abc"), " a b c");
        assert_eq!(shown("abc", "axc"), " a-b+x c");
        assert_eq!(shown("ab", ""), "-a-b");
        assert_eq!(shown("", "ab"), "+a+b");
        assert_eq!(shown("abcd", "bcde"), "-a b c d+e");
    }

    proptest! {
        #[test]
        fn every_entry_is_named_once_and_in_order(left in "[abc]{0,8}", right in "[abc]{0,8}") {
            let shown = shown(&left, &right);
            let side = |skip: char| -> String {
                let pairs: Vec<char> = shown.chars().collect();
                pairs.chunks(2).filter(|pair| pair[0] != skip).map(|pair| pair[1]).collect()
            };
            prop_assert_eq!(side('+'), left);
            prop_assert_eq!(side('-'), right);
        }
    }
}
