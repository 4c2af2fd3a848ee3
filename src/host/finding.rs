//! What came of holding a setting against the machine: `Finding`.

use crate::host::tuning::Setting;

/// A setting, and how it stands.
#[derive(Clone, Debug)]
pub struct Finding<'t> {
    /// What was looked at.
    pub setting: &'t Setting,
    /// How many files say what is wanted.
    pub right_count: usize,
    /// What should be changed.
    pub changes: Vec<Change>,
    /// What could not be read or understood, each with its path.
    pub unread: Vec<String>,
    /// What is to be thought about, and is no fault.
    pub advice: Option<String>,
}

/// A file that says something else than is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file, as it is called on the machine.
    pub path: String,
    /// What it says.
    pub found: String,
    /// What it should say.
    pub wanted: String,
    /// How it is changed.
    pub how: How,
}

/// How something is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The value is written to the file.
    Value,
    /// The word is written to the file, which then shows it in brackets among the others.
    Choice,
    /// By other means than the file.
    ByHand,
}

/// How a setting stands, all its files taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As wanted.
    Right,
    /// Something should be changed.
    Change,
    /// Whether it is right is not known.
    Unread,
    /// Right, with a thought.
    Note,
    /// This machine has no such thing.
    Absent,
}

impl<'t> Finding<'t> {
    /// Nothing looked at yet.
    pub(super) fn of(setting: &'t Setting) -> Self {
        let (changes, unread) = (Vec::new(), Vec::new());
        Self { setting, right_count: 0, changes, unread, advice: None }
    }

    /// How it stands, the worst first.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if !self.changes.is_empty() {
            Standing::Change
        } else if !self.unread.is_empty() {
            Standing::Unread
        } else if self.advice.is_some() {
            Standing::Note
        } else if self.right_count > 0 {
            Standing::Right
        } else {
            Standing::Absent
        }
    }

    /// Whether somebody should act: change something, or find out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.standing(), Standing::Change | Standing::Unread)
    }
}

impl Standing {
    /// Its word in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Change => "change",
            Self::Unread => "unread",
            Self::Note => "note",
            Self::Absent => "absent",
        }
    }
}
