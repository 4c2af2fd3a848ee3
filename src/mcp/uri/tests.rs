//! Addresses and templates of them, by tables and against every division of a text.

use super::*;

#[test]
fn addresses_are_absolute_and_of_uri_characters() {
    for good in ["test://static-text", "urn:a:b", "a+b-c.9:", "file:///a%20b?x=[1]#y"] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    for bad in ["", "a", "/a", ":a", "1a:b", "a b:c", "x:a b", "x:ä", "x:%", "x:%4", "x:%zz"] {
        assert_eq!(check(bad), Err(NoUri), "{bad}");
    }
    let longest = format!("x:{}", "a".repeat(URI_BYTES_MAX - 2));
    assert_eq!(check(&longest), Ok(()));
    assert_eq!(check(&(longest + "a")), Err(NoUri));
}

fn matched(template: &str, uri: &str) -> Option<String> {
    let template = UriTemplate::parse(template).expect("a template");
    let variables = template.match_uri(uri)?;
    let shown = variables.iter().map(|(name, value)| format!("{name}={value}"));
    Some(shown.collect::<Vec<_>>().join(" "))
}

#[test]
fn variables_are_found_and_decoded() {
    for (template, uri, expected) in [
        ("note:///{name}", "note:///a", Some("name=a")),
        ("note:///{name}", "note:///K%C3%A4se%20", Some("name=Käse ")),
        ("note:///{name}", "note:///", None),
        ("note:///{name}", "note:///a/b", None),
        ("note:///{name}", "note:///a?b", None),
        ("note:///{name}", "Note:///a", None),
        ("t://{id}/data", "t://123/data", Some("id=123")),
        ("t://{id}/data", "t://123/data/", None),
        ("t://{id}/data", "t:///data", None),
        ("t:{a}-{b}.txt", "t:x-y-z.txt.txt", Some("a=x b=y-z.txt")),
        ("t:{a}-{b}", "t:-x-y", Some("a=-x b=y")),
        ("t:/{a}/{b}", "t:/x/y", Some("a=x b=y")),
        ("t:/{a}/{b}", "t:/x/y/z", None),
        ("f:///{+path}", "f:///a/b%2Fc?d", Some("path=a/b/c?d")),
        ("f:///{a}/{+path}/{b}.md", "f:///x/y/z/w/v.md", Some("a=x path=y/z/w b=v")),
        ("f:///{a}/{+path}/{b}.md", "f:///x/y.md", None),
        ("s:q{?a,b}", "s:q", Some("")),
        ("s:q{?a,b}", "s:q?", Some("")),
        ("s:q{?a,b}", "s:q?b=1&a=%20", Some("b=1 a= ")),
        ("s:q{?a,b}", "s:q?a=1&a=2", None),
        ("s:q{?a,b}", "s:q?c=1", None),
        ("s:q{?a,b}", "s:q?a", None),
        ("s:{n}{?a}", "s:x?a=/", Some("n=x a=/")),
        ("s:{n}", "s:%ff", None),
        ("s:{n}", "s:%2", None),
        ("s:{n}", "s:ä", Some("n=ä")),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(matched(template, uri), expected, "{template} {uri}");
    }
}

#[test]
fn a_plain_variable_is_one_segment_whatever_is_escaped() {
    for value in ["..", ".", "%2e%2E", "a%2Fb", "..%2f", "a%00"] {
        assert_eq!(matched("f:///{name}", &format!("f:///{value}")), None, "{value}");
        matched("f:///{+name}", &format!("f:///{value}")).expect("what is asked for");
    }
    assert_eq!(matched("f:///{name}", "f:///...").as_deref(), Some("name=..."));
}

/// Whether a template gives an address, found out by trying every division.
fn gives(parts: &[(Variable, String)], rest: &str) -> bool {
    let Some(((variable, behind), further)) = parts.split_first() else {
        return rest.is_empty();
    };
    (1..=rest.len()).any(|end| {
        let after = rest[end..].strip_prefix(behind.as_str());
        variable.read(&rest[..end]).is_some() && after.is_some_and(|it| gives(further, it))
    })
}

#[test]
fn whatever_any_division_gives_is_found() {
    let mut addresses = vec!["t:".to_owned()];
    for length in 0..7 {
        let longest: Vec<_> =
            addresses.iter().filter(|it| it.len() == length + 2).cloned().collect();
        addresses
            .extend(longest.iter().flat_map(|it| ["a", "/", "-"].map(|end| format!("{it}{end}"))));
    }
    for text in [
        "t:{v}-{w}",
        "t:{v}/{w}",
        "t:{v}-a{w}/",
        "t:{v}a-a{w}",
        "t:{v}a/a{w}a",
        "t:{v}-{w}-{x}",
        "t:{+v}",
        "t:{+v}/{w}",
        "t:{v}-{+w}",
        "t:{v}/{+w}-{x}",
        "t:{v}a{+w}a{x}a",
        "t:{+v}-{w}a-{x}",
    ] {
        let template = UriTemplate::parse(text).expect(text);
        for address in &addresses {
            let found = template.match_uri(address).is_some();
            assert_eq!(found, gives(&template.path, &address[2..]), "{text} {address}");
        }
    }
}

/// A matcher that tries every division would be here for days.
#[test]
fn matching_takes_no_choice_back() {
    let template: String = (0..100).map(|index| format!("{{v{index}}}a")).collect();
    let template = UriTemplate::parse(&format!("t:{template}b")).expect("a template");
    assert_eq!(template.match_uri(&format!("t:{}", "a".repeat(1_000_000))), None);
}

#[test]
fn what_cannot_be_matched_is_refused() {
    let error = |text: &str| UriTemplate::parse(text).expect_err(text).to_string();
    for (template, told) in [
        ("{+uri}", "begins with a scheme"),
        ("note/{name}", "begins with a scheme"),
        ("t:{a b}", "cannot be matched"),
        ("t:{a", "cannot be matched"),
        ("t:{}", "cannot be matched"),
        ("t:{a,b}", "cannot be matched"),
        ("t:{a:3}", "cannot be matched"),
        ("t:{/a*}", "cannot be matched"),
        ("t:{?a}/b", "cannot be matched"),
        ("t:{?}", "cannot be matched"),
        ("t:a}{b}", "does not fit"),
        ("t:ä{b}", "does not fit"),
        ("t:{a}/{a}", "stands there twice"),
        ("t:{a}{?a}", "stands there twice"),
        ("t:{a}{b}", "nothing tells"),
        ("t:{+a}/{+b}", "second of its kind"),
        ("t:a", "one address"),
    ] {
        assert!(error(template).contains(told), "{template}: {}", error(template));
    }
}
