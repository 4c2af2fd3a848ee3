//! Origins, hosts and CORS, with the ways around them that have been tried elsewhere.

use super::*;

fn origins(values: &[&str]) -> OriginPolicy {
    let mut policy = OriginPolicy::default();
    values.iter().for_each(|value| policy.allow(value).unwrap());
    policy
}

fn judge(policy: &OriginPolicy, origin: &str) -> bool {
    policy.judge(Some(origin.as_bytes())) == Verdict::Allowed
}

#[test]
fn by_default_loopback_pages_pass_and_no_others() {
    let policy = OriginPolicy::default();
    assert_eq!(policy.judge(None), Verdict::Allowed);
    for origin in [
        "http://localhost",
        "https://localhost",
        "http://localhost:3000",
        "HTTP://LOCALHOST:1",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "http://[0:0:0:0:0:0:0:1]",
    ] {
        assert!(judge(&policy, origin), "{origin}");
    }
    for origin in [
        "null",
        "",
        "*",
        "localhost",
        "http://",
        "http://localhost.",
        "http://localhost.evil.example",
        "http://evil-localhost",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "http://evil.example/localhost",
        "http://localhost/",
        "http://localhost, http://localhost",
        "file://localhost",
        "ftp://localhost",
        "http://127.0.0.2",
        "http://0.0.0.0",
        "http://127.1",
        "http://[::ffff:127.0.0.1]",
        "http://localhost:99999",
        "http:/localhost",
        "://localhost",
        "http://localhost#x",
        "http://localhost?x",
        "http://2130706433",
    ] {
        assert!(!judge(&policy, origin), "{origin}");
    }
    assert_eq!(policy.judge(Some(b"\xff")), Verdict::Refused);
}

#[test]
fn configured_origins_are_compared_as_wholes() {
    let policy =
        origins(&["https://app.example", "http://app.example:8080", "chrome-extension://abc"]);
    for origin in [
        "https://app.example",
        "https://APP.example",
        "https://app.example:443",
        "HTTPS://app.example:",
        "http://app.example:8080",
        "chrome-extension://abc",
        "http://localhost",
    ] {
        assert!(judge(&policy, origin), "{origin}");
    }
    for origin in [
        "http://app.example",
        "https://app.example:8080",
        "https://app.example.",
        "null",
        "https://app.example.evil.example",
        "https://evil.example",
        "https://xapp.example",
        "https://app.exampl",
        "https://app.example:4430",
        "https://app.example/",
        "https://sub.app.example",
        "chrome-extension://abcd",
    ] {
        assert!(!judge(&policy, origin), "{origin}");
    }
    let closed = OriginPolicy::closed();
    assert!(!judge(&closed, "http://localhost"));
    assert!(judge(&origins(&["null"]), "null"));
    assert!(judge(&origins(&["*"]), "https://any.example"));
}

#[test]
fn hosts_are_compared_as_wholes() {
    let judge = |policy: &HostPolicy, host: &str| {
        policy.judge(Authority::parse(host.as_bytes()).as_ref()) == Verdict::Allowed
    };
    let mut policy = HostPolicy::default();
    for host in ["localhost", "LocalHost:1", "127.0.0.1", "[::1]:80"] {
        assert!(judge(&policy, host), "{host}");
    }
    for host in ["localhost.", "evil.example", "127.0.0.1.nip.io", "127.0.0.2", "0.0.0.0", "[::]"] {
        assert!(!judge(&policy, host), "{host}");
    }
    assert_eq!(policy.judge(None), Verdict::Refused);
    policy.allow("mcp.example").unwrap();
    policy.allow("strict.example:8443").unwrap();
    for host in ["mcp.example", "MCP.example:1", "strict.example:8443"] {
        assert!(judge(&policy, host), "{host}");
    }
    for host in ["strict.example", "strict.example:443", "x.mcp.example", "mcp.example."] {
        assert!(!judge(&policy, host), "{host}");
    }
    assert!(!judge(&HostPolicy::closed(), "localhost"));
    let mut any = HostPolicy::closed();
    any.allow("*").unwrap();
    assert_eq!((any.judge(None), judge(&any, "x.")), (Verdict::Allowed, true));
}

#[test]
fn a_wrong_setting_is_named_with_its_rule_and_its_fix() {
    for value in [
        "",
        "app.example",
        "https://app.example/",
        "https://*.example",
        "https://app.example.",
        "https://u@app.example",
        "https://a b",
        "http://a:99999",
        "**",
    ] {
        let error = OriginPolicy::default().allow(value).unwrap_err();
        assert_eq!(error.value, value);
        assert!(error.to_string().starts_with(&format!("`{value}`: an origin is ")), "{error}");
    }
    for value in ["", "https://app.example", "app.example/", "*.example", "app.example.", "a:b"] {
        let error = HostPolicy::default().allow(value).unwrap_err();
        assert!(error.to_string().starts_with(&format!("`{value}`: a host is ")), "{error}");
    }
}

#[test]
fn cors_is_granted_to_configured_origins_only() {
    let policy = origins(&["https://app.example"]);
    assert_eq!(policy.cors(None), None);
    assert_eq!(policy.cors(Some(b"http://localhost")), None, "let in, but not by name");
    assert_eq!(policy.cors(Some(b"https://evil.example")), None);
    assert_eq!(origins(&["*"]).cors(Some(b"no origin")), None);
    let grant = policy.cors(Some(b"https://App.example")).unwrap();
    let mut out = Vec::new();
    grant.write(&mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "Access-Control-Allow-Origin: https://App.example\r\nVary: Origin\r\n\
         Access-Control-Expose-Headers: Mcp-Session-Id, WWW-Authenticate, MCP-Protocol-Version\r\n"
    );
}

#[test]
fn a_preflight_reflects_parameters_of_tools_and_nothing_else() {
    let policy = origins(&["*"]);
    let grant = policy.cors(Some(b"https://app.example")).unwrap();
    let mut out = Vec::new();
    let requested = b"mcp-param-region,X-Evil, Mcp-Param-a b, content-type, MCP-PARAM-Tier";
    grant.write_preflight(Some(requested), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "Access-Control-Allow-Origin: https://app.example\r\nVary: Origin\r\n\
         Access-Control-Allow-Methods: POST, GET, DELETE, OPTIONS\r\n\
         Access-Control-Max-Age: 600\r\n\
         Access-Control-Allow-Headers: Content-Type, Accept, Authorization, MCP-Protocol-Version, \
         Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID, mcp-param-region, MCP-PARAM-Tier\r\n"
    );
}
