//! The files of one skill, read whole.
//!
//! In: the skill's folder. Out: each file's path in it, with `/` between folders, and its bytes, in
//! the order of the paths. Limits: [`FILES_MAX`], [`SKILL_BYTES_MAX`], which the extension names;
//! [`FOLDERS_MAX`], [`FOLDERS_DEEP_MAX`].
//! Invariant: nothing is opened that is no plain file, or that lies outside of the folder.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{SkillError, SkillFault, is_hidden, unread};

/// How many files a skill may have.
pub(super) const FILES_MAX: usize = 512;
/// How many folders a skill may have, its own left out.
pub(super) const FOLDERS_MAX: usize = 512;
/// How many folders deep a file may lie, the skill's own left out.
pub(super) const FOLDERS_DEEP_MAX: usize = 16;
/// How many bytes the files of a skill may have together.
pub(super) const SKILL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Files as paths and bytes.
type Files = Vec<(String, Vec<u8>)>;

/// Reads the files of a skill.
pub(super) fn read(folder: &Path) -> Result<Files, SkillError> {
    let root = fs::canonicalize(folder).map_err(|error| unread(folder, &error))?;
    let mut walk =
        Walk { folder, root, files: Vec::new(), folders: 0, bytes_left: SKILL_BYTES_MAX };
    walk.enter(folder, "", 0)?;
    walk.files.sort();
    Ok(walk.files)
}

struct Walk<'a> {
    folder: &'a Path,
    /// The same folder, without links in its path.
    root: PathBuf,
    files: Files,
    folders: usize,
    bytes_left: u64,
}

impl Walk<'_> {
    /// Reads a folder, `before` being its path with a `/` behind it. As deep as `FOLDERS_DEEP_MAX`
    /// lets it call itself.
    fn enter(&mut self, folder: &Path, before: &str, depth: usize) -> Result<(), SkillError> {
        if depth > FOLDERS_DEEP_MAX {
            return Err(SkillFault::TooDeep.at(folder));
        }
        let failed = |error| unread(folder, &error);
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, name) = (entry.path(), entry.file_name());
            if is_hidden(&name) {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_symlink() && !self.leads_to_own_file(&path) {
                return Err(SkillFault::Link.at(&path));
            }
            let Some(name) = name.to_str() else { return Err(SkillFault::FileName.at(&path)) };
            if kind.is_dir() {
                self.folders += 1;
                self.hold_counts()?;
                self.enter(&path, &format!("{before}{name}/"), depth + 1)?;
            } else if kind.is_file() || kind.is_symlink() {
                let bytes = self.take(&path)?;
                self.files.push((format!("{before}{name}"), bytes));
                self.hold_counts()?;
            } else {
                return Err(SkillFault::Kind.at(&path));
            }
        }
        Ok(())
    }

    fn hold_counts(&self) -> Result<(), SkillError> {
        if self.files.len() > FILES_MAX || self.folders > FOLDERS_MAX {
            return Err(SkillFault::TooManyFiles.at(self.folder));
        }
        Ok(())
    }

    /// Whether a link leads to a plain file of the same skill that is served under its own name.
    fn leads_to_own_file(&self, link: &Path) -> bool {
        let Ok(target) = fs::canonicalize(link) else { return false };
        let Ok(inside) = target.strip_prefix(&self.root) else { return false };
        target.is_file() && !inside.iter().any(is_hidden)
    }

    fn take(&mut self, path: &Path) -> Result<Vec<u8>, SkillError> {
        let failed = |error| unread(path, &error);
        let file = File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        // A byte more than may be shows that there is more.
        let read = file.take(self.bytes_left + 1).read_to_end(&mut bytes).map_err(failed)?;
        match self.bytes_left.checked_sub(read as u64) {
            Some(left) => self.bytes_left = left,
            None => return Err(SkillFault::TooLarge.at(self.folder)),
        }
        Ok(bytes)
    }
}
