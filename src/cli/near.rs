//! Names close to one that was mistyped.
//!
//! Closeness is the number of letters to insert, drop, change or swap with their neighbour.
//! Limits: names longer than 128 bytes are close to nothing; at most three are suggested.

const NAME_BYTES_MAX: usize = 128;
const SUGGESTED_MAX: usize = 3;

/// The names close to `name`, the closest first.
#[must_use]
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mistakes_max = (name.chars().count() / 3).max(1);
    let mut close: Vec<(usize, &str)> = names
        .filter_map(|candidate| {
            let mistakes = distance(&name.to_lowercase(), &candidate.to_lowercase())?;
            (mistakes <= mistakes_max).then_some((mistakes, candidate))
        })
        .collect();
    close.sort_by_key(|(mistakes, _)| *mistakes);
    close.into_iter().take(SUGGESTED_MAX).map(|(_, candidate)| candidate).collect()
}

/// Optimal string alignment, three rows at a time.
fn distance(a: &str, b: &str) -> Option<usize> {
    if a.len() > NAME_BYTES_MAX || b.len() > NAME_BYTES_MAX {
        return None;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut cost = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let swapped: usize = before_last[j - 2];
                cost = cost.min(swapped + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_are_close_and_other_names_are_not() {
        let names = ["add", "subtract", "countdown", "echo"];
        let table = [
            ("ad", &["add"][..]),
            ("dad", &["add"]),
            ("Echo", &["echo"]),
            ("ehco", &["echo"]),
            ("substract", &["subtract"]),
            ("countdwon", &["countdown"]),
            ("search", &[]),
            ("", &[]),
        ];
        for (name, expected) in table {
            assert_eq!(nearest(name, names.into_iter()), expected, "{name}");
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        assert!(nearest(&long, [long.as_str()].into_iter()).is_empty());
    }
}
