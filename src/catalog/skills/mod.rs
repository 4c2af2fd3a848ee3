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
mod front_matter;
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
pub enum SkillError {
    /// The system does not let it be read.
    #[error("skills: {} cannot be read: {reason}", path.display())]
    Unread {
        /// What cannot be read.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// There is none in the folder.
    #[error(
        "skills: {} holds none; a skill is a folder in it that has a {MANIFEST}", path.display()
    )]
    None {
        /// The folder.
        path: PathBuf,
    },
    /// There are too many in the folder.
    #[error("skills: {} holds more than {SKILLS_MAX}; serve some from another folder", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
    /// A folder without the file that makes it a skill.
    #[error("skills: {} has no {MANIFEST}; write one, or move the folder elsewhere", path.display())]
    NoManifest {
        /// The folder.
        path: PathBuf,
    },
    /// The folder's name is no skill's.
    #[error(
        "skills: {}: a skill's name must be 1 to 64 of a-z 0-9 and single hyphens between them; \
         rename the folder and its `name`", path.display()
    )]
    Name {
        /// The folder.
        path: PathBuf,
    },
    /// The front matter breaks a rule.
    #[error("skills: {}: {reason}", path.display())]
    FrontMatter {
        /// The `SKILL.md`.
        path: PathBuf,
        /// What is wrong.
        reason: FrontMatterError,
    },
    /// A link that leads elsewhere.
    #[error(
        "skills: {} is a link that leads to no file of the same skill; put what it leads to in its \
         place", path.display()
    )]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Neither a file nor a folder.
    #[error("skills: {} is neither a file nor a folder; move it elsewhere", path.display())]
    Kind {
        /// What it is.
        path: PathBuf,
    },
    /// A name that no address can hold.
    #[error("skills: the name of {} must be UTF-8; rename it", path.display())]
    FileName {
        /// What has the name.
        path: PathBuf,
    },
    /// More files or folders than a skill may have.
    #[error(
        "skills: {} has more than {FILES_MAX} files or {FOLDERS_MAX} folders; split the skill",
        path.display()
    )]
    TooManyFiles {
        /// The skill.
        path: PathBuf,
    },
    /// More bytes than a skill may have.
    #[error("skills: {} has more than {SKILL_BYTES_MAX} bytes; split the skill", path.display())]
    TooLarge {
        /// The skill.
        path: PathBuf,
    },
    /// Folders in folders in folders.
    #[error(
        "skills: {} is more than {FOLDERS_DEEP_MAX} folders deep; move it up", path.display()
    )]
    TooDeep {
        /// The folder that is too deep.
        path: PathBuf,
    },
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
            return Err(SkillError::TooMany { path: folder.to_owned() });
        }
        found.push(path);
    }
    if found.is_empty() {
        return Err(SkillError::None { path: folder.to_owned() });
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<Skill, SkillError> {
    let kind = fs::symlink_metadata(path).map_err(|error| unread(path, &error))?;
    if kind.is_symlink() {
        return Err(SkillError::Link { path: path.to_owned() });
    }
    if !kind.is_dir() {
        return Err(SkillError::Kind { path: path.to_owned() });
    }
    let name = path.file_name().and_then(OsStr::to_str).filter(|name| is_name(name));
    let name = name.ok_or_else(|| SkillError::Name { path: path.to_owned() })?;
    let files = files::read(path)?;
    let manifest = files.iter().find(|(file, _)| file == MANIFEST);
    let Some((_, manifest)) = manifest else {
        return Err(SkillError::NoManifest { path: path.to_owned() });
    };
    let front_matter = front_matter::parse(manifest, name)
        .map_err(|reason| SkillError::FrontMatter { path: path.join(MANIFEST), reason })?;
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
    SkillError::Unread { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
