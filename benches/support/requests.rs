//! The bytes of calls, as clients of both eras send them.

/// The usual call.
pub(crate) const ECHO: &str = r#""name":"echo","arguments":{"message":"hello"}"#;

/// A call of `echo` with a message of so many bytes.
pub(crate) fn echo_of(bytes: usize) -> String {
    format!(r#""name":"echo","arguments":{{"message":"{}"}}"#, "x".repeat(bytes))
}

/// A request of the legacy era. `session` is the id of one, or empty.
pub(crate) fn legacy(method: &str, session: &str, params: &str) -> Vec<u8> {
    let line = if session.is_empty() { String::new() } else { session_line(session) };
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#);
    post(&format!("MCP-Protocol-Version: 2025-11-25\r\n{line}"), &body)
}

fn session_line(session: &str) -> String {
    format!("Mcp-Session-Id: {session}\r\n")
}

/// A call of a tool in the modern era, which says with each request who asks.
pub(crate) fn modern(name: &str, params: &str) -> Vec<u8> {
    let meta = concat!(
        r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"#,
        r#""io.modelcontextprotocol/clientCapabilities":{}}"#
    );
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params},{meta}}}}}"#);
    let fields = format!(
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {name}\r\n"
    );
    post(&fields, &body)
}

fn post(fields: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench/1\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         {fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
