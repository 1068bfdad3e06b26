//! Where states lie while the steps are gone through: no state has memory of its own.

use crate::bindings::imports::millstream::plugin::types::Cells;
use crate::field::{NULL, SAME};
use std::ops::Range;

/// Where a slot's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// There are none: the state is null.
    Null,
    /// The host sent them.
    Sent(Range<usize>),
    /// They were written in this call.
    Written(Range<usize>),
    /// Only the machine has the state.
    Nowhere,
}

/// What is needed to undo a step.
pub(super) struct Mark {
    place: Place,
    written: usize,
}

/// The slots of a call.
pub(super) struct Slots<'a> {
    sent: &'a [u8],
    places: Vec<Place>,
    /// Which slots were changed.
    changed: Vec<bool>,
    /// States written in this call; if every step is answered, they are the answer's bytes.
    written: Vec<u8>,
    /// The answer's lengths, if every step is answered.
    lengths: Vec<u32>,
}

impl<'a> Slots<'a> {
    /// The states that the host sent; `every`: how many steps will be answered.
    pub(super) fn new(states: &'a Cells, every: Option<usize>) -> Self {
        let mut at = 0;
        let place = |length: &u32| {
            if *length == NULL {
                return Place::Null;
            }
            let start = at;
            at += *length as usize;
            Place::Sent(start..at)
        };
        let places: Vec<Place> = states.lengths.iter().map(place).collect();
        let changed = vec![false; places.len()];
        let written = Vec::with_capacity(states.bytes.len());
        Self { sent: &states.bytes, places, changed, written, lengths: Vec::with_capacity(every.unwrap_or(0)) }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_null(&self, slot: usize) -> bool {
        self.places[slot] == Place::Null
    }

    pub(super) fn is_nowhere(&self, slot: usize) -> bool {
        self.places[slot] == Place::Nowhere
    }

    /// The bytes of a slot's state; none: it is null, or nowhere.
    pub(super) fn get(&self, slot: usize) -> Option<&[u8]> {
        match &self.places[slot] {
            Place::Sent(range) => self.sent.get(range.clone()),
            Place::Written(range) => self.written.get(range.clone()),
            Place::Null | Place::Nowhere => None,
        }
    }

    /// Where new bytes of a slot are appended; [`Slots::written`] says that they are complete.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.written
    }

    /// The slot's state is what was appended from `start` on.
    pub(super) fn written(&mut self, slot: usize, start: usize) {
        self.put(slot, Place::Written(start..self.written.len()));
    }

    pub(super) fn empty(&mut self, slot: usize) {
        self.put(slot, Place::Null);
    }

    /// Only the machine has the slot's state.
    pub(super) fn nowhere(&mut self, slot: usize) {
        self.put(slot, Place::Nowhere);
    }

    pub(super) fn copy(&mut self, slot: usize, from: usize) {
        self.put(slot, self.places[from].clone());
    }

    fn put(&mut self, slot: usize, place: Place) {
        self.places[slot] = place;
        self.changed[slot] = true;
    }

    pub(super) fn mark(&self, slot: usize) -> Mark {
        Mark { place: self.places[slot].clone(), written: self.written.len() }
    }

    /// Undoes a step; where every step is answered it is answered with "as before".
    pub(super) fn restore(&mut self, slot: usize, mark: Mark) {
        self.places[slot] = mark.place;
        self.written.truncate(mark.written);
        self.lengths.push(SAME);
    }

    /// Gives up on a slot's new state: it is as the host sent it.
    pub(super) fn revert(&mut self, slot: usize, mark: Mark) {
        self.written.truncate(mark.written);
        self.changed[slot] = false;
    }

    /// Answers a step with its slot's state.
    pub(super) fn answer(&mut self, slot: usize, before: &Mark) {
        let range = match &self.places[slot] {
            Place::Null | Place::Nowhere => return self.lengths.push(NULL),
            Place::Sent(range) => {
                self.written.extend_from_slice(&self.sent[range.clone()]);
                before.written..self.written.len()
            }
            Place::Written(range) if range.start >= before.written => range.clone(),
            Place::Written(range) => {
                self.written.extend_from_within(range.clone());
                before.written..self.written.len()
            }
        };
        self.lengths.push(range.len() as u32);
        self.places[slot] = Place::Written(range);
    }

    /// The answer for every step.
    pub(super) fn into_steps(self) -> Cells {
        Cells { lengths: self.lengths, bytes: self.written }
    }

    /// The answer for every slot.
    pub(super) fn into_slots(self) -> Cells {
        let mut cells = Cells { lengths: Vec::with_capacity(self.places.len()), bytes: Vec::new() };
        cells.bytes.reserve(self.sent.len());
        for (slot, changed) in self.changed.iter().enumerate() {
            let bytes = self.get(slot);
            cells.lengths.push(if !changed { SAME } else { bytes.map_or(NULL, |bytes| bytes.len() as u32) });
            cells.bytes.extend_from_slice(bytes.filter(|_| *changed).unwrap_or_default());
        }
        cells
    }
}
