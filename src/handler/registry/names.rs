//! Names and the places that they stand for, in a list that is searched by halves.
//!
//! The length is compared first, so that most steps compare two integers: for the tens or hundreds
//! of names that a server has, that is quicker than hashing one.
//! Invariant: sorted by length, then bytes; no name stands twice.

use std::cmp::Ordering;

/// A list of names, each with an index.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Vec<(String, usize)>);

impl Names {
    /// The index of a name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let at = self.place(name).ok()?;
        self.0.get(at).map(|(_, index)| *index)
    }

    /// Adds a name; one that is there already keeps its index.
    pub(super) fn insert(&mut self, name: String, index: usize) {
        if let Err(at) = self.place(&name) {
            self.0.insert(at, (name, index));
        }
    }

    /// Where a name stands, or where it would.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(held, _)| match held.len().cmp(&name.len()) {
            Ordering::Equal => held.as_bytes().cmp(name.as_bytes()),
            unlike => unlike,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_nothing_near_it_is() {
        let names = ["echo", "add", "a", "zoo", "adder", "echos", "ecbo"];
        let mut list = Names::default();
        for (index, name) in names.iter().enumerate() {
            list.insert((*name).to_owned(), index);
        }
        list.insert("add".to_owned(), 99);
        for (index, name) in names.iter().enumerate() {
            assert_eq!(list.find(name), Some(index), "{name}");
        }
        for stranger in ["", "ad", "addE", "ECHO", "zop", "echoss"] {
            assert_eq!(list.find(stranger), None, "{stranger}");
        }
    }
}
