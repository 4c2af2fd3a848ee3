//! What kind of file it is, by its name: the kinds that skills are made of.
//!
//! A name that is not in the table is told as plain text if it is text, and as bytes if not.

const KINDS: &[(&str, &str)] = &[
    ("bash", "application/x-sh"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("markdown", "text/markdown"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("py", "text/x-python"),
    ("sh", "application/x-sh"),
    ("svg", "image/svg+xml"),
    ("toml", "application/toml"),
    ("wasm", "application/wasm"),
    ("webp", "image/webp"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
];

/// The media type of a file.
pub(super) fn of(path: &str, bytes: &[u8]) -> &'static str {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let known = KINDS.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known));
    match known {
        Some((_, media)) => media,
        None if std::str::from_utf8(bytes).is_ok() => "text/plain",
        None => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_kind_and_bytes_tell_the_rest() {
        for (path, bytes, media) in [
            ("SKILL.md", &b"x"[..], "text/markdown"),
            ("a/b.PNG", b"\x89", "image/png"),
            ("a.md/b", b"x", "text/plain"),
            ("LICENSE", b"x", "text/plain"),
            ("data.bin", b"\xff", "application/octet-stream"),
            ("", b"", "text/plain"),
        ] {
            assert_eq!(of(path, bytes), media, "{path}");
        }
    }
}
