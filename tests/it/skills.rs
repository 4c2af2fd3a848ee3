//! Skills: listed, found, read file by file and folder by folder, and what each era has of them.

use ringlane::{Cx, Era, Revision, ServeError, Server};
use serde_json::{Value, json};

use crate::support::ask::{ALL, Ask, MODERN};
use crate::support::client::Conn;
use crate::support::house::{each_of, plain};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/everything/skills");
const SKILL: &str = "skill://call-everything/SKILL.md";
const EXTENSION: &str = "io.modelcontextprotocol/skills";

fn school() -> Server {
    Server::new("school", "1.0.0").skills(FOLDER)
}

/// All that a paged method lists, a page an entry.
fn paged(conn: &mut Conn, ask: &Ask, member: &str) -> Vec<Value> {
    let (mut entries, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let ask = match &cursor {
            Some(cursor) => ask.clone().param("cursor", cursor.as_str()),
            None => ask.clone(),
        };
        let answer = conn.ask(&ask);
        let page = answer.result();
        let held = page[member].as_array().unwrap();
        assert_eq!(held.len(), 1, "{page}");
        entries.extend(held.iter().cloned());
        match page.get("nextCursor") {
            Some(next) => cursor = next.as_str().map(str::to_owned),
            None => return entries,
        }
    }
}

fn on_disk(uri: &str) -> Vec<u8> {
    let path = uri.strip_prefix("skill://").unwrap();
    std::fs::read(format!("{FOLDER}/{path}")).unwrap()
}

#[test]
fn skills_are_declared_in_the_modern_era_and_resources_in_both() {
    each_of(school, plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let greeting = match revision.era() {
                Era::Legacy => conn.ask(&Ask::initialize(revision)),
                Era::Modern => conn.ask(&Ask::new(revision, "server/discover")),
            };
            let declared = &greeting.result()["capabilities"];
            assert!(declared["resources"].is_object(), "{revision}");
            let extensions = match revision.era() {
                Era::Legacy => Value::Null,
                Era::Modern => json!({EXTENSION: {"directoryRead": true}}),
            };
            assert_eq!(declared["extensions"], extensions, "{revision}");
        }
    });
}

#[test]
fn every_listed_skill_can_be_got_and_each_of_its_files_read_as_it_is_on_disk() {
    let one_a_page = |settings: &mut ringlane::Settings| settings.lists.page_entries_max = 1;
    each_of(school, one_a_page, |house| {
        let mut conn = house.connect();
        let skills = paged(&mut conn, &Ask::new(MODERN, "skills/list"), "skills");
        let names: Vec<_> = skills.iter().map(|skill| &skill["frontmatter"]["name"]).collect();
        assert_eq!(names, ["call-everything", "write-a-tool"]);
        let audience = &skills[0]["frontmatter"]["metadata"]["audience"];
        assert_eq!(audience, "developers of MCP clients");
        for skill in &skills {
            let uri = skill["uri"].as_str().unwrap();
            let got = conn.ask(&Ask::new(MODERN, "skills/get").param("uri", uri));
            assert_eq!(got.result()["skill"], *skill);
            assert!(got.result().get("nextCursor").is_none());
            for file in skill["resources"].as_array().unwrap() {
                let uri = file["uri"].as_str().unwrap();
                assert_eq!(file["size"], on_disk(uri).len(), "{uri}");
                let read = conn.ask(&Ask::read(MODERN, uri));
                let contents = &read.result()["contents"][0];
                assert_eq!(contents["text"].as_str().unwrap().as_bytes(), on_disk(uri), "{uri}");
                assert_eq!(contents["uri"], uri);
            }
        }
        let files: Vec<_> = skills[0]["resources"].as_array().unwrap().iter().collect();
        assert_eq!(files.len(), 3);
    });
}

#[test]
fn folders_are_read_page_by_page() {
    let one_a_page = |settings: &mut ringlane::Settings| settings.lists.page_entries_max = 1;
    each_of(school, one_a_page, |house| {
        let mut conn = house.connect();
        let ask = |uri: &str| Ask::new(MODERN, "resources/directory/read").param("uri", uri);
        let of_folder = |conn: &mut Conn, uri: &str| {
            let children = paged(conn, &ask(uri), "resources");
            let told = |child: &Value| format!("{} {}", child["name"], child["mimeType"]);
            children.iter().map(told).collect::<Vec<_>>().join(", ").replace('"', "")
        };
        assert_eq!(
            of_folder(&mut conn, "skill://call-everything"),
            "call-everything text/markdown, references inode/directory, scripts inode/directory"
        );
        let inside = of_folder(&mut conn, "skill://call-everything/scripts");
        assert_eq!(inside, "smoke.sh application/x-sh");
        for uri in [SKILL, "skill://call-everything/none", "skill://none", "skill://", "x:y"] {
            assert_eq!(conn.ask(&ask(uri)).error()["code"], -32602, "{uri}");
        }
        let foreign = ask("skill://call-everything").param("cursor", "x");
        assert_eq!(conn.ask(&foreign).error()["code"], -32602);
    });
}

#[test]
fn what_names_no_skill_is_refused() {
    each_of(school, plain, |house| {
        let mut conn = house.connect();
        let ask = Ask::new(MODERN, "skills/get");
        for uri in ["skill://none/SKILL.md", "skill://call-everything", "", "SKILL.md"] {
            let refused = conn.ask(&ask.clone().param("uri", uri));
            assert_eq!(refused.error()["code"], -32602, "{uri}");
        }
        let nearby = "skill://call-everything/references/tools.md";
        assert_eq!(conn.ask(&ask.clone().param("uri", nearby)).error()["code"], -32602);
        assert_eq!(conn.ask(&ask.clone().param("uri", 1)).error()["code"], -32602);
        assert_eq!(conn.ask(&ask).error()["code"], -32602);
        let unknown = Ask::read(MODERN, "skill://call-everything/../write-a-tool/SKILL.md");
        assert_eq!(conn.ask(&unknown).error()["code"], -32602);
    });
}

#[test]
fn legacy_clients_have_no_methods_for_skills_and_read_them_as_resources() {
    each_of(school, plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let list = conn.ask(&Ask::new(revision, "resources/list"));
            let listed = &list.result()["resources"];
            assert_eq!(listed.as_array().unwrap().len(), 2, "{revision}");
            assert_eq!(listed[0]["uri"], SKILL);
            assert_eq!(listed[0]["name"], "call-everything");
            assert!(listed[0]["description"].as_str().unwrap().starts_with("Call the tools"));
            let read = conn.ask(&Ask::read(revision, SKILL));
            let contents = &read.result()["contents"][0];
            assert_eq!(contents["mimeType"], "text/markdown");
            assert!(contents["text"].as_str().unwrap().starts_with("---\nname: call-everything\n"));
            if revision.era() == Era::Modern {
                continue;
            }
            for method in ["skills/list", "skills/get", "resources/directory/read"] {
                let refused = conn.ask(&Ask::new(revision, method).param("uri", SKILL));
                assert_eq!(refused.error()["code"], -32601, "{revision} {method}");
            }
        }
    });
}

#[test]
fn a_server_without_skills_has_no_methods_for_them() {
    let server = || {
        let server = Server::new("bare", "1.0.0");
        server.resource("test://text", "text", "A text", async |_: Cx| Ok("text"))
    };
    each_of(server, plain, |house| {
        let mut conn = house.connect();
        for method in ["skills/list", "skills/get", "resources/directory/read"] {
            let refused = conn.ask(&Ask::new(MODERN, method).param("uri", SKILL));
            assert_eq!(refused.error()["code"], -32601, "{method}");
        }
    });
}

#[test]
fn bytes_that_are_no_text_travel_as_a_blob() {
    let folder = tempfile::tempdir().unwrap();
    let skill = folder.path().join("pictures");
    std::fs::create_dir(&skill).unwrap();
    let manifest = "---\nname: pictures\ndescription: Has a picture\n---\n";
    std::fs::write(skill.join("SKILL.md"), manifest).unwrap();
    std::fs::write(skill.join("a b.png"), b"\x89PNG").unwrap();
    each_of(
        || school().skills(folder.path()),
        plain,
        |house| {
            let mut conn = house.connect();
            let list = conn.ask(&Ask::new(MODERN, "skills/list"));
            assert_eq!(list.result()["skills"].as_array().unwrap().len(), 3);
            for revision in [Revision::V2024_11_05, MODERN] {
                let read = conn.ask(&Ask::read(revision, "skill://pictures/a%20b.png"));
                let uri = "skill://pictures/a%20b.png";
                let expected = json!([{"uri": uri, "mimeType": "image/png", "blob": "iVBORw=="}]);
                assert_eq!(read.result()["contents"], expected);
            }
        },
    );
}

#[test]
fn skills_that_cannot_be_offered_are_told_when_the_server_starts() {
    let error = school().skills(FOLDER).skills("no/such/folder").test_client().unwrap_err();
    let ServeError::Setup { faults } = error else { panic!("{error}") };
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults[0].contains("skill `call-everything` is registered twice"), "{faults:?}");
    assert!(faults[2].starts_with("skills: no/such/folder cannot be read: "), "{faults:?}");
}
