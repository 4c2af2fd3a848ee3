//! A skill: a folder of files that teach a model something, frozen when the server starts.
//!
//! In: front matter and files, read and checked by `catalog/skills`. Out: the skill as clients
//! list it, and the children of each of its folders. Spec: the extension
//! `io.modelcontextprotocol/skills`.
//! Invariants: `files` is complete, in the order of their paths, with a `SKILL.md` at the root;
//! a digest is that of the very bytes that are served.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::mcp::model::content::{ResourceBody, ResourceContents};

/// The extension's name among the capabilities.
pub const EXTENSION: &str = "io.modelcontextprotocol/skills";
/// The file that makes a folder a skill.
pub const MANIFEST: &str = "SKILL.md";
/// The media type of a folder.
const FOLDER_TYPE: &str = "inode/directory";

/// A skill, frozen.
#[derive(Clone, Debug)]
pub struct Skill {
    /// Its name: what its folder and its front matter say.
    pub name: String,
    /// Its front matter, member by member.
    pub front_matter: Map<String, Value>,
    /// All its files, in the order of their paths.
    pub files: Vec<SkillFile>,
}

/// A file of a skill, frozen.
#[derive(Clone, Debug)]
pub struct SkillFile {
    /// Where it stands in the skill's folder, with `/` between folders.
    pub path: String,
    /// What reading it gives.
    pub contents: ResourceContents,
    /// SHA-256 of its bytes, as `sha256:` and lowercase hex.
    pub digest: String,
    /// How many bytes it has.
    pub size_bytes: usize,
}

/// A folder's children, as its address and what is listed of each.
pub type Folders = BTreeMap<String, Vec<Value>>;

impl Skill {
    /// The address of its `SKILL.md`, by which clients name it.
    #[must_use]
    pub fn uri(&self) -> String {
        file_uri(&self.name, MANIFEST)
    }

    /// The skill as it is listed.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let resources = self.files.iter().map(|file| {
            json!({"uri": file.contents.uri, "digest": file.digest, "size": file.size_bytes})
        });
        let resources: Vec<_> = resources.collect();
        json!({"uri": self.uri(), "frontmatter": self.front_matter, "resources": resources})
    }

    /// Its `SKILL.md` among the resources: named and described as the skill.
    #[must_use]
    pub fn manifest_json(&self) -> Option<Value> {
        let file = self.files.iter().find(|file| file.path == MANIFEST)?;
        Some(self.child_json(file))
    }

    /// What each of its folders holds; its own comes first.
    #[must_use]
    pub fn folders(&self) -> Folders {
        let mut folders = Folders::from([(folder_uri(&self.name, ""), Vec::new())]);
        for file in &self.files {
            let (folder, _) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
            self.grow(&mut folders, folder);
            let siblings = folders.entry(folder_uri(&self.name, folder)).or_default();
            siblings.push(self.child_json(file));
        }
        folders
    }

    /// Adds a folder and those that it stands in.
    fn grow(&self, folders: &mut Folders, folder: &str) {
        let uri = folder_uri(&self.name, folder);
        if folders.contains_key(&uri) {
            return;
        }
        let (parent, name) = folder.rsplit_once('/').unwrap_or(("", folder));
        self.grow(folders, parent);
        let child = json!({"uri": uri, "name": name, "mimeType": FOLDER_TYPE});
        folders.entry(folder_uri(&self.name, parent)).or_default().push(child);
        folders.insert(uri, Vec::new());
    }

    fn child_json(&self, file: &SkillFile) -> Value {
        let (_, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let mut child = json!({"uri": file.contents.uri, "name": name});
        if file.path == MANIFEST {
            child["name"] = json!(self.name);
            child["description"] = self.front_matter.get("description").cloned().into();
        }
        child["mimeType"] = file.contents.mime_type.clone().into();
        child["size"] = json!(file.size_bytes);
        child
    }
}

impl SkillFile {
    /// Freezes the bytes of the file at `path` of the skill `skill`: as text if they are UTF-8.
    #[must_use]
    pub fn new(skill: &str, path: String, mime_type: &'static str, bytes: Vec<u8>) -> Self {
        let digest = digest(&bytes);
        let size_bytes = bytes.len();
        let body = match String::from_utf8(bytes) {
            Ok(text) => ResourceBody::Text(text),
            Err(error) => ResourceBody::Blob(error.into_bytes()),
        };
        let mime_type = Some(mime_type.to_owned());
        let uri = file_uri(skill, &path);
        let contents = ResourceContents { uri, mime_type, body, meta: Map::new() };
        Self { path, contents, digest, size_bytes }
    }
}

fn digest(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut text = "sha256:".to_owned();
    for byte in digest.as_ref() {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The address of a file of a skill.
fn file_uri(skill: &str, path: &str) -> String {
    format!("skill://{skill}/{}", escape(path))
}

/// The address of a folder of a skill; of its own for an empty path.
fn folder_uri(skill: &str, path: &str) -> String {
    if path.is_empty() { format!("skill://{skill}") } else { file_uri(skill, path) }
}

/// A path as an address says it (RFC 3986 §3.3): all but its plain characters percent-encoded.
fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skill(paths: &[&str]) -> Skill {
        let file = |path: &&str| {
            SkillFile::new("s-1", (*path).to_owned(), "text/plain", path.as_bytes().to_vec())
        };
        let front_matter = Map::from_iter([
            ("name".to_owned(), json!("s-1")),
            ("description".to_owned(), json!("d")),
        ]);
        let files = paths.iter().map(file).collect();
        Skill { name: "s-1".to_owned(), front_matter, files }
    }

    #[test]
    fn an_entry_tells_every_file_with_its_digest_and_size() {
        let entry = skill(&["SKILL.md", "a b/ü.txt"]).to_json();
        assert_eq!(entry["uri"], "skill://s-1/SKILL.md");
        assert_eq!(entry["frontmatter"], json!({"name": "s-1", "description": "d"}));
        assert_eq!(entry["resources"][0]["size"], 8);
        assert_eq!(entry["resources"][1]["uri"], "skill://s-1/a%20b/%C3%BC.txt");
        assert_eq!(entry["resources"].as_array().map(Vec::len), Some(2));
        // FIPS 180-4, the digest of nothing and of "abc".
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(b""), format!("sha256:{hex}"));
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(b"abc"), format!("sha256:{hex}"));
    }

    #[test]
    fn folders_hold_their_direct_children() {
        let folders = skill(&["SKILL.md", "a/b/c.txt", "a/d.txt", "e.txt"]).folders();
        let children = |uri: &str| {
            let told = |child: &Value| format!("{} {}", child["uri"], child["mimeType"]);
            folders[uri].iter().map(told).collect::<Vec<_>>().join("\n").replace('"', "")
        };
        assert_eq!(
            children("skill://s-1"),
            "skill://s-1/SKILL.md text/plain\nskill://s-1/a inode/directory\n\
             skill://s-1/e.txt text/plain"
        );
        assert_eq!(
            children("skill://s-1/a"),
            "skill://s-1/a/b inode/directory\nskill://s-1/a/d.txt text/plain"
        );
        assert_eq!(children("skill://s-1/a/b"), "skill://s-1/a/b/c.txt text/plain");
        assert_eq!(folders.len(), 3);
        assert_eq!(folders["skill://s-1"][0]["name"], "s-1");
        assert_eq!(folders["skill://s-1"][0]["description"], "d");
        assert_eq!(folders["skill://s-1"][2]["name"], "e.txt");
    }

    #[test]
    fn what_is_no_text_is_bytes() {
        let file = SkillFile::new("s", "x".to_owned(), "image/png", vec![0xff, 0]);
        assert_eq!(file.contents.body, ResourceBody::Blob(vec![0xff, 0]));
        assert_eq!(file.size_bytes, 2);
    }
}
