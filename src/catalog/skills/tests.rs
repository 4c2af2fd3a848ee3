//! Folders of skills, good and bad, and what is told of them.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use tempfile::TempDir;

use super::*;
use crate::mcp::model::content::ResourceBody;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write(root: &TempDir, path: &str, bytes: impl AsRef<[u8]>) {
    let path = root.path().join(path);
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(path, bytes).expect("written");
}

fn manifest(root: &TempDir, name: &str) {
    let text = format!("---\nname: {name}\ndescription: What {name} does\n---\n# {name}\n");
    write(root, &format!("{name}/SKILL.md"), text);
}

/// What is told of a folder that holds one fault.
fn told(root: &TempDir) -> String {
    let (_, faults) = load(root.path());
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let folder = root.path().to_str().expect("UTF-8");
    faults[0].replace(folder, "F")
}

#[test]
fn every_folder_with_a_manifest_is_a_skill() {
    let root = folder();
    for name in ["b", "a-1"] {
        manifest(&root, name);
    }
    write(&root, "a-1/references/more.md", "# More");
    write(&root, "a-1/scripts/run.sh", "#!/bin/sh\n");
    write(&root, "a-1/data", [0xff, 0]);
    write(&root, "a-1/.hidden/x", "x");
    write(&root, ".hidden/x", "x");
    write(&root, "README.md", "beside the skills");
    let (skills, faults) = load(root.path());
    assert_eq!(faults, []);
    let names: Vec<_> = skills.iter().map(|skill| &*skill.name).collect();
    assert_eq!(names, ["a-1", "b"]);
    let files = skills[0].files.iter().map(|file| {
        let is_text = matches!(file.contents.body, ResourceBody::Text(_));
        (&*file.path, file.contents.mime_type.as_deref().unwrap_or_default(), is_text)
    });
    let expected = [
        ("SKILL.md", "text/markdown", true),
        ("data", "application/octet-stream", false),
        ("references/more.md", "text/markdown", true),
        ("scripts/run.sh", "application/x-sh", true),
    ];
    assert_eq!(files.collect::<Vec<_>>(), expected);
    assert_eq!(skills[0].front_matter["description"], "What a-1 does");
}

#[test]
fn what_is_no_folder_of_skills_is_told() {
    let root = folder();
    assert_eq!(told(&root), "skills: F holds none; a skill is a folder in it that has a SKILL.md");
    write(&root, "file", "");
    let (_, faults) = load(&root.path().join("file"));
    assert!(matches!(faults[..], [SkillError { fault: SkillFault::Unread(_), .. }]), "{faults:?}");
    let (_, faults) = load(&root.path().join("missing"));
    assert!(matches!(faults[..], [SkillError { fault: SkillFault::Unread(_), .. }]), "{faults:?}");
}

#[test]
fn every_skill_that_is_none_is_told_and_the_others_are_read() {
    let root = folder();
    manifest(&root, "good");
    write(&root, "bare/skill.md", "");
    write(&root, "wrong/SKILL.md", "---\nname: right\ndescription: d\n---\n");
    let (skills, faults) = load(root.path());
    assert_eq!(skills.len(), 1);
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert!(faults[0].ends_with("bare has no SKILL.md; write one, or move the folder elsewhere"));
    let reason = "wrong/SKILL.md must have the `name` of its folder, `wrong`; change one of them";
    assert!(faults[1].ends_with(reason), "{faults:?}");
}

#[test]
fn names_are_words_with_single_hyphens() {
    let long = "n".repeat(64);
    for name in ["a", "0", "a-b", "a-b-3", &long] {
        assert!(is_name(name), "{name}");
    }
    let longer = "n".repeat(65);
    for name in ["", "-", "-a", "a-", "a--b", "A", "a_b", "a.b", "a b", "ä", &longer] {
        assert!(!is_name(name), "{name}");
    }
    let root = folder();
    write(&root, "A/SKILL.md", "");
    assert!(told(&root).starts_with("skills: F/A is no name for a skill"));
}

#[test]
fn a_link_leads_to_a_file_of_the_same_skill_or_nowhere() {
    let outside = folder();
    write(&outside, "secret", "secret");
    let root = folder();
    manifest(&root, "s");
    write(&root, "s/a/own.txt", "own");
    write(&root, "s/.hidden", "hidden");
    symlink("own.txt", root.path().join("s/a/link.txt")).expect("a link");
    let (skills, faults) = load(root.path());
    assert_eq!(faults, []);
    let link = skills[0].files.iter().find(|file| file.path == "a/link.txt").expect("a file");
    assert_eq!(link.contents.body, ResourceBody::Text("own".to_owned()));

    let at = root.path().join("s/a/bad");
    let secret = outside.path().join("secret");
    let manifest_of_root = Path::new("../../s/../s/.hidden");
    for target in
        [&*secret, outside.path(), Path::new("bad"), Path::new("none"), Path::new(".."), {
            manifest_of_root
        }]
    {
        symlink(target, &at).expect("a link");
        assert_eq!(
            told(&root),
            "skills: F/s/a/bad is a link that leads to no file of the same skill; put that \
             in its place",
            "{target:?}"
        );
        fs::remove_file(&at).expect("removed");
    }
    symlink(outside.path(), root.path().join("t")).expect("a link");
    assert!(told(&root).starts_with("skills: F/t is a link that leads to no file"));
}

#[test]
fn what_is_neither_file_nor_folder_is_never_opened() {
    let root = folder();
    manifest(&root, "s");
    let _socket = UnixListener::bind(root.path().join("s/socket")).expect("a socket");
    assert_eq!(told(&root), "skills: F/s/socket is neither a file nor a folder; move it elsewhere");
}

#[test]
fn names_of_files_are_text() {
    let root = folder();
    manifest(&root, "s");
    let name = OsStr::from_bytes(b"\xff");
    // Some file systems have no such names.
    if fs::write(root.path().join("s").join(name), "").is_ok() {
        assert!(told(&root).ends_with("has a name that is not UTF-8; rename it"));
    }
}

#[test]
fn a_skill_has_as_many_files_as_it_may() {
    let root = folder();
    manifest(&root, "s");
    for index in 1..FILES_MAX {
        write(&root, &format!("s/{index}"), "");
    }
    assert_eq!(load(root.path()).0[0].files.len(), FILES_MAX);
    write(&root, "s/more", "");
    assert!(told(&root).contains("F/s has more than 512 files or 512 folders; split the skill"));
}

#[test]
fn a_skill_has_as_many_folders_as_it_may_and_as_deep() {
    let root = folder();
    manifest(&root, "s");
    let deep = "d/".repeat(FOLDERS_DEEP_MAX);
    write(&root, &format!("s/{deep}x"), "");
    for index in FOLDERS_DEEP_MAX..FOLDERS_MAX {
        fs::create_dir(root.path().join("s").join(index.to_string())).expect("a folder");
    }
    assert_eq!(load(root.path()).1, []);
    fs::create_dir(root.path().join("s/more")).expect("a folder");
    assert!(told(&root).contains("has more than 512 files or 512 folders"));
    fs::remove_dir(root.path().join("s/more")).expect("removed");
    fs::remove_dir(root.path().join("s/100")).expect("removed");
    write(&root, &format!("s/{deep}d/x"), "");
    assert!(told(&root).ends_with("is more than 16 folders deep; move it up"));
}

#[test]
fn a_skill_has_as_many_bytes_as_it_may() {
    let root = folder();
    manifest(&root, "s");
    let taken = fs::metadata(root.path().join("s/SKILL.md")).expect("a file").len();
    let file = fs::File::create(root.path().join("s/zeros")).expect("a file");
    file.set_len(SKILL_BYTES_MAX - taken).expect("a length");
    assert_eq!(load(root.path()).1, []);
    file.set_len(SKILL_BYTES_MAX - taken + 1).expect("a length");
    assert_eq!(
        told(&root),
        "skills: F/s has more than 16777216 bytes in its files; split the skill"
    );
}

#[test]
fn a_folder_has_as_many_skills_as_it_may() {
    let root = folder();
    for index in 0..SKILLS_MAX {
        manifest(&root, &format!("s{index}"));
    }
    assert_eq!(load(root.path()).0.len(), SKILLS_MAX);
    manifest(&root, "more");
    assert_eq!(told(&root), "skills: F holds more than 512; serve some from another folder");
}
