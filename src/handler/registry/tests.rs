//! What can be offered, and what is told of the rest.

use serde_json::json;

use super::*;
use crate::handler::completion::Completing;
use crate::handler::context::Cx;

fn tool(name: &str) -> Tool {
    Tool::new(name, "d", async |_: Cx, (): ()| Ok("x"))
}

#[test]
fn what_cannot_be_offered_is_refused_by_name() {
    let mut registry = Registry::default();
    assert_eq!(registry.add_tool(tool("a.b-c_D9")), Ok(()));
    let (what, name) = (Offer::Tool, "a.b-c_D9".to_owned());
    let twice = RegistryError::Twice { what, name };
    assert_eq!(registry.add_tool(tool("a.b-c_D9")), Err(twice));
    assert_eq!(registry.add_tool(tool(&"n".repeat(128))), Ok(()));
    for name in ["", "a b", "ä", "a/b", &"n".repeat(129)] {
        let error = RegistryError::Name { what, name: name.to_owned() };
        assert_eq!(registry.add_tool(tool(name)), Err(error));
    }
    let text = Tool::new("text", "d", async |_: Cx, _: String| Ok("x"));
    assert!(matches!(registry.add_tool(text), Err(RegistryError::Schema { .. })));
    let mirrored = Tool::new("m", "d", async |_: Cx, _: Value| Ok("x"))
        .input_schema(json!({"type": "object", "properties": {
            "a": {"type": "number", "x-mcp-header": "A"}}}));
    assert!(matches!(registry.add_tool(mirrored), Err(RegistryError::Mirror { .. })));
    assert_eq!(registry.tools().len(), 2);
    assert_eq!(registry.tool_index("a.b-c_D9"), Some(0));
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "read by the schema alone")]
struct Place {
    id: String,
    page: Option<u32>,
}

fn template(text: &str) -> ResourceTemplate {
    ResourceTemplate::new(text, "n", async |_: Cx, _: Place| Ok("x"))
}

#[test]
fn resources_have_addresses_of_their_own() {
    let mut registry = Registry::default();
    let resource = |uri: &str| Resource::new(uri, "n", async |_: Cx| Ok("x"));
    assert_eq!(registry.add_resource(resource("test://a")), Ok(()));
    let (what, name) = (Offer::Resource, "test://a".to_owned());
    let twice = registry.add_resource(resource("test://a"));
    assert_eq!(twice, Err(RegistryError::Twice { what, name }));
    for uri in ["", "a", "/a", "test://a b", "test://ä"] {
        let error = RegistryError::Uri { uri: uri.to_owned() };
        assert_eq!(registry.add_resource(resource(uri)), Err(error));
    }
    assert_eq!(registry.resource_index("test://a"), Some(0));
}

#[test]
fn templates_and_types_know_the_same_variables() {
    let mut registry = Registry::default();
    for fits in ["t:{id}", "t:/{id}{?page}", "t:/{page}/{id}"] {
        assert_eq!(registry.add_template(template(fits)), Ok(()));
    }
    let mut told = |template| registry.add_template(template).expect_err("no offer").to_string();
    for (text, expected) in [
        ("t:{id}", "`t:{id}` is registered twice; give one of them another template"),
        ("t:a", "`t:a`: a template without a variable"),
        ("t:{id}/{of}", "no field `of`; add it"),
        ("t:{page}", "no variable gives the field `id`"),
    ] {
        let told = told(template(text));
        assert!(told.contains(expected), "{told}");
    }
    let completes = async |_: Cx, _: Completing| Ok(vec!["a"]);
    let told = told(template("t:x{id}").complete("page", completes));
    assert_eq!(told, "resource template `t:x{id}` completes `page`, which it does not take");
    let open = ResourceTemplate::new("o:{a}", "n", async |_: Cx, _: Value| Ok("x"));
    assert_eq!(registry.add_template(open.complete("a", completes)), Ok(()));
    let nothing = ResourceTemplate::new("n:{a}", "n", async |_: Cx, (): ()| Ok("x"));
    assert!(matches!(registry.add_template(nothing), Err(RegistryError::Variable { .. })));
    let text = ResourceTemplate::new("s:{a}", "n", async |_: Cx, _: String| Ok("x"));
    assert!(matches!(registry.add_template(text), Err(RegistryError::Schema { .. })));
    assert!(registry.completes() && registry.has_resources());
}

#[test]
fn an_address_leads_to_its_own_resource_and_then_to_the_first_template() {
    let mut registry = Registry::default();
    for text in ["t:{id}", "t:{id}/x", "t:{+id}"] {
        registry.add_template(template(text)).expect("a template");
    }
    let resource = Resource::new("t:own", "n", async |_: Cx| Ok("x"));
    registry.add_resource(resource).expect("a resource");
    let by_template = |index, id: &str| {
        let variables = Map::from_iter([("id".to_owned(), id.into())]);
        Some(ResourceAt::Template { index, variables })
    };
    assert_eq!(registry.resource_at("t:own"), Some(ResourceAt::Resource(0)));
    assert_eq!(registry.resource_at("t:a%20b"), by_template(0, "a b"));
    assert_eq!(registry.resource_at("t:a/x"), by_template(1, "a"));
    assert_eq!(registry.resource_at("t:a/y"), by_template(2, "a/y"));
    assert_eq!(registry.resource_at("u:a"), None);
}

#[test]
fn prompts_take_texts() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "read by the schema alone")]
    struct Deep {
        list: Vec<String>,
    }
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "read by the schema alone")]
    struct Hidden {
        inner: Option<Deep>,
    }
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "read by the schema alone")]
    struct Plain {
        count: Option<u8>,
        mode: Option<Mode>,
    }
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    enum Mode {
        Brief,
        Whole,
    }
    let mut registry = Registry::default();
    let prompt = |name: &str| Prompt::new(name, "d", async |_: Cx, _: Place| Ok("x"));
    let completes = async |_: Cx, _: Completing| Ok(vec!["a"]);
    assert_eq!(registry.add_prompt(prompt("p").complete("id", completes)), Ok(()));
    let mut told = |prompt| registry.add_prompt(prompt).expect_err("no offer").to_string();
    assert!(told(prompt("p")).contains("prompt `p` is registered twice"));
    assert!(told(prompt("a b")).contains("prompt name \"a b\" must be"));
    assert!(told(prompt("q").complete("x", completes)).contains("completes `x`"));
    let deep = Prompt::new("deep", "d", async |_: Cx, _: Deep| Ok("x"));
    assert!(told(deep).contains("argument `list` must be text"));
    let hidden = Prompt::new("hidden", "d", async |_: Cx, _: Hidden| Ok("x"));
    assert!(told(hidden).contains("argument `inner` must be text"));
    let text = Prompt::new("text", "d", async |_: Cx, _: String| Ok("x"));
    assert!(told(text).contains("prompt `text`: the input schema's root"));
    let plain = Prompt::new("plain", "d", async |_: Cx, _: Plain| Ok("x"));
    assert_eq!(registry.add_prompt(plain), Ok(()));
    assert!(!registry.has_resources());
}
