//! Skills from a folder: each folder in it that has a `SKILL.md` is one.
//!
//! In: a path. Out: the skills, frozen in memory, and every fault with its fix. So what clients are
//! told of a skill stays true as long as the server runs, and no request ever names a path.
//! Hidden files and folders are left out, and so are files beside the skills. Links are followed to
//! files of the same skill alone; any other is a fault. Spec: the extension
//! `io.modelcontextprotocol/skills`; the format of Agent Skills.
//! Reading order: `files` (what a folder holds), `front_matter` (what `SKILL.md` says), `media`
//! (what a file is called). Limits: [`SKILLS_MAX`], and those of `files` and `front_matter`.

mod files;
pub mod front_matter;
mod media;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::handler::skill::{MANIFEST, Skill, SkillFile};

use self::files::{FILES_MAX, FOLDERS_DEEP_MAX, FOLDERS_MAX, SKILL_BYTES_MAX};
use self::front_matter::FrontMatterError;

/// How many skills a folder may hold.
pub const SKILLS_MAX: usize = 512;

/// What keeps a skill from being offered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("skills: {} {fault}", path.display())]
pub struct SkillError {
    /// What breaks a rule: a file or folder.
    pub path: PathBuf,
    /// The rule, and what mends it.
    pub fault: SkillFault,
}

/// A rule that a skill breaks; said after the name of what breaks it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkillFault {
    /// The system does not let it be read.
    #[error("cannot be read: {0}")]
    Unread(String),
    /// There is none in the folder.
    #[error("holds none; a skill is a folder in it that has a {MANIFEST}")]
    None,
    /// There are too many in the folder.
    #[error("holds more than {SKILLS_MAX}; serve some from another folder")]
    TooMany,
    /// A folder without the file that makes it a skill.
    #[error("has no {MANIFEST}; write one, or move the folder elsewhere")]
    NoManifest,
    /// The folder's name is no skill's.
    #[error(
        "is no name for a skill, which is 1 to 64 of a-z 0-9 and single hyphens between them; \
         rename the folder, and `name` in its {MANIFEST}"
    )]
    Name,
    /// The front matter of a `SKILL.md` breaks a rule.
    #[error(transparent)]
    FrontMatter(FrontMatterError),
    /// A link that leads elsewhere.
    #[error("is a link that leads to no file of the same skill; put that in its place")]
    Link,
    /// Neither a file nor a folder.
    #[error("is neither a file nor a folder; move it elsewhere")]
    Kind,
    /// A name that no address can hold.
    #[error("has a name that is not UTF-8; rename it")]
    FileName,
    /// More files or folders than a skill may have.
    #[error("has more than {FILES_MAX} files or {FOLDERS_MAX} folders; split the skill")]
    TooManyFiles,
    /// More bytes than a skill may have.
    #[error("has more than {SKILL_BYTES_MAX} bytes in its files; split the skill")]
    TooLarge,
    /// Folders in folders in folders.
    #[error("is more than {FOLDERS_DEEP_MAX} folders deep; move it up")]
    TooDeep,
}

impl SkillFault {
    fn at(self, path: &Path) -> SkillError {
        SkillError { path: path.to_owned(), fault: self }
    }
}

/// Reads all skills of a folder, in the order of their names.
#[must_use]
pub fn load(folder: &Path) -> (Vec<Skill>, Vec<SkillError>) {
    let (mut skills, mut faults) = (Vec::new(), Vec::new());
    let found = match find(folder) {
        Ok(found) => found,
        Err(fault) => return (skills, vec![fault]),
    };
    for path in found {
        match read(&path) {
            Ok(skill) => skills.push(skill),
            Err(fault) => faults.push(fault),
        }
    }
    (skills, faults)
}

/// The folders in a folder, and the links to such.
fn find(folder: &Path) -> Result<Vec<PathBuf>, SkillError> {
    let mut found = Vec::new();
    let unread = |error| unread(folder, &error);
    for entry in fs::read_dir(folder).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let path = entry.path();
        let is_file = entry.file_type().map_err(unread)?.is_file() || path.is_file();
        if is_file || is_hidden(&entry.file_name()) {
            continue;
        }
        if found.len() == SKILLS_MAX {
            return Err(SkillFault::TooMany.at(folder));
        }
        found.push(path);
    }
    if found.is_empty() {
        return Err(SkillFault::None.at(folder));
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<Skill, SkillError> {
    let kind = fs::symlink_metadata(path).map_err(|error| unread(path, &error))?;
    if kind.is_symlink() {
        return Err(SkillFault::Link.at(path));
    }
    if !kind.is_dir() {
        return Err(SkillFault::Kind.at(path));
    }
    let name = path.file_name().and_then(OsStr::to_str).filter(|name| is_name(name));
    let name = name.ok_or_else(|| SkillFault::Name.at(path))?;
    let files = files::read(path)?;
    let manifest = files.iter().find(|(file, _)| file == MANIFEST);
    let Some((_, manifest)) = manifest else {
        return Err(SkillFault::NoManifest.at(path));
    };
    let front_matter = front_matter::parse(manifest, name)
        .map_err(|fault| SkillFault::FrontMatter(fault).at(&path.join(MANIFEST)))?;
    let frozen = files.into_iter().map(|(file, bytes)| {
        let media = media::of(&file, &bytes);
        SkillFile::new(name, file, media, bytes)
    });
    Ok(Skill { name: name.to_owned(), front_matter, files: frozen.collect() })
}

/// Whether a text is a skill's name, which is a host's name too (Agent Skills, `name`).
fn is_name(text: &str) -> bool {
    const NAME_BYTES_MAX: usize = 64;
    let is_word = |word: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !word.is_empty() && word.bytes().all(fits)
    };
    text.len() <= NAME_BYTES_MAX && text.split('-').all(is_word)
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn unread(path: &Path, error: &std::io::Error) -> SkillError {
    SkillFault::Unread(error.to_string()).at(path)
}

#[cfg(test)]
mod tests;
