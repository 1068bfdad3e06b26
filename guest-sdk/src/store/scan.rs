//! Long answers, page by page.

use std::collections::VecDeque;

/// Rows that are asked for at once.
const PAGE_ROWS: u32 = 256;

/// What a page is asked for with: backwards or not, where to go on, how many rows.
pub(super) type Ask = (bool, Option<Vec<u8>>, u32);
/// Asks for a page: its rows, and where the next one begins.
type Fetch<T> = Box<dyn Fn(Ask) -> (Vec<T>, Option<Vec<u8>>)>;

/// The rows of a scan, in order.
pub struct Scan<T> {
    fetch: Fetch<T>,
    backward: bool,
    page: VecDeque<T>,
    /// Where to go on; none: not begun.
    resume: Option<Vec<u8>>,
    ended: bool,
}

impl<T> Scan<T> {
    pub(super) fn new(fetch: impl Fn(Ask) -> (Vec<T>, Option<Vec<u8>>) + 'static) -> Self {
        Self { fetch: Box::new(fetch), backward: false, page: VecDeque::new(), resume: None, ended: false }
    }

    /// The same rows from the last to the first. To be said before the first row is taken.
    #[must_use]
    pub fn backward(mut self) -> Self {
        self.backward = true;
        self
    }
}

impl<T> Iterator for Scan<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        while self.page.is_empty() && !self.ended {
            let (rows, next) = (self.fetch)((self.backward, self.resume.take(), PAGE_ROWS));
            self.page = rows.into();
            self.ended = next.is_none();
            self.resume = next;
        }
        self.page.pop_front()
    }
}
