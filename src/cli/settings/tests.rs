//! Settings, as flags are right and wrong.

use super::*;

#[test]
fn right_flags_go_over_the_programs_settings() {
    let given = RawServe {
        listen: vec!["[::1]:0".to_owned(), "unix:/run/mcp.sock".to_owned()],
        workers: Some("4".to_owned()),
        cpus: Some("8,0-2".to_owned()),
        io: Some("epoll".to_owned()),
        allow_origin: vec!["https://app.example.com".to_owned()],
        allow_host: vec!["mcp.example.com:443".to_owned()],
        limit: vec!["body_bytes_max=16KiB".to_owned()],
        drain_timeout: Some("3s".to_owned()),
        ..RawServe::default()
    };
    let mut base = Settings::default();
    base.serve.path = "/tools".to_owned();
    let (settings, faults) = settle(&given, &base);
    assert_eq!(faults, Vec::<String>::new());
    let report = report(&settings);
    for line in [
        "listen          [::1]:0",
        "listen          unix:/run/mcp.sock",
        "path            /tools",
        "workers         4",
        "cpus            8,0,1,2",
        "io              epoll",
        "allow-origin    loopback https://app.example.com",
        "allow-host      loopback mcp.example.com:443",
    ] {
        assert!(report.lines().any(|told| told == line), "{line} in\n{report}");
    }
    let limit =
        |name: &str| report.lines().find(|line| line.starts_with(&format!("limit {name} ")));
    assert!(limit("body_bytes_max").is_some_and(|line| line.contains(" 16KiB ")), "{report}");
    assert!(limit("head_timeout").is_some_and(|line| line.contains(" 10s ")), "{report}");
    assert!(limit("drain_timeout").is_some_and(|line| line.contains(" 3s ")), "{report}");
}

#[test]
fn no_flags_change_nothing() {
    let base = Settings::default();
    let (settings, faults) = settle(&RawServe::default(), &base);
    assert_eq!((report(&settings), faults), (report(&base), Vec::new()));
}

#[test]
fn every_fault_is_named_at_once_with_its_fix() {
    let wrong = RawServe {
        sessions: Some("maybe".to_owned()),
        listen: vec!["nowhere".to_owned(), "unix:".to_owned()],
        path: None,
        workers: Some("0".to_owned()),
        cpus: Some("3-1".to_owned()),
        io: Some("kqueue".to_owned()),
        allow_origin: vec!["example.com".to_owned(), "https://h/path".to_owned()],
        allow_host: vec!["h/path".to_owned()],
        limit: vec![
            "body_bytes_max".to_owned(),
            "body_byte_max=1".to_owned(),
            "head_timeout=10".to_owned(),
            "fields_max=0".to_owned(),
            "json_depth_max=8".to_owned(),
            "json_depth_max=9".to_owned(),
        ],
        drain_timeout: Some("soon".to_owned()),
        state_key_file: Some("/nowhere/key".to_owned()),
    };
    let (settings, faults) = settle(&wrong, &Settings::default());
    for (index, expected) in [
        "--listen: ",
        "--listen: ",
        "--workers: \"0\" is not a whole number from 1",
        "--cpus: ",
        "--io: ",
        "--allow-origin: ",
        "--allow-origin: ",
        "--allow-host: ",
        "--sessions: \"maybe\" is none of optional, required, off",
        "--state-key-file: \"/nowhere/key\" cannot be read",
        "--limit: \"body_bytes_max\" is not NAME=VALUE",
        "--limit: there is no limit \"body_byte_max\": did you mean body_bytes_max?",
        "--limit: head_timeout: \"10\" is not a duration",
        "--limit: fields_max must be at least 1",
        "--limit: json_depth_max is given twice",
        "--drain-timeout: \"soon\" is not a duration",
    ]
    .into_iter()
    .enumerate()
    {
        let told = faults.get(index).map(String::as_str).unwrap_or_default();
        assert!(told.starts_with(expected), "{expected} is not {told}");
    }
    assert_eq!(faults.len(), 16, "{faults:#?}");
    let listen = Settings::default().runtime.listen;
    assert_eq!(settings.runtime.listen, listen, "what is faulty keeps its value");
}
