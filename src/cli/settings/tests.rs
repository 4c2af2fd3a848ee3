//! Settings, as flags are right and wrong.

use super::*;

const ROWS: &[LimitRow] = &[
    LimitRow {
        name: "body_bytes_max",
        kind: LimitKind::Bytes,
        default: LimitValue::Bytes(4 << 20),
        about: "largest request body; 413 past it",
    },
    LimitRow {
        name: "head_timeout",
        kind: LimitKind::Duration,
        default: LimitValue::Duration(Duration::from_secs(10)),
        about: "time for a request head; 408 past it",
    },
];

fn raw() -> RawServe {
    RawServe {
        listen: vec!["127.0.0.1:8080".to_owned()],
        path: "/mcp".to_owned(),
        workers: None,
        cpus: None,
        io: "auto".to_owned(),
        allow_origin: Vec::new(),
        allow_host: Vec::new(),
        limit: Vec::new(),
        drain_timeout: "30s".to_owned(),
    }
}

#[test]
fn right_flags_become_settings() {
    let given = RawServe {
        listen: vec!["[::1]:0".to_owned(), "unix:/run/mcp.sock".to_owned()],
        workers: Some("4".to_owned()),
        cpus: Some("8,0-2,1".to_owned()),
        io: "epoll".to_owned(),
        allow_origin: vec!["https://app.example.com".to_owned()],
        allow_host: vec!["mcp.example.com:443".to_owned()],
        limit: vec!["body_bytes_max=16KiB".to_owned()],
        ..raw()
    };
    let (args, faults) = check(&given, ROWS);
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(args.cpus, Some(vec![0, 1, 2, 8]));
    assert_eq!(args.limit("body_bytes_max"), Some(LimitValue::Bytes(16 << 10)));
    assert_eq!(args.limit("head_timeout"), Some(LimitValue::Duration(Duration::from_secs(10))));
    let report = "listen          [::1]:0
listen          unix:/run/mcp.sock
path            /mcp
workers         4
cpus            0,1,2,8
io              epoll
allow-origin    https://app.example.com
allow-host      mcp.example.com:443
drain-timeout   30s
limit body_bytes_max     16KiB  largest request body; 413 past it
limit head_timeout         10s  time for a request head; 408 past it
";
    assert_eq!(args.report(ROWS), report);
}

#[test]
fn every_fault_is_named_at_once_with_its_fix() {
    let wrong = RawServe {
        listen: vec!["localhost".to_owned(), "unix:mcp.sock".to_owned()],
        path: "mcp".to_owned(),
        workers: Some("0".to_owned()),
        cpus: Some("3-1".to_owned()),
        io: "kqueue".to_owned(),
        allow_origin: vec!["example.com".to_owned(), "https://h/path".to_owned()],
        allow_host: vec!["h/path".to_owned()],
        limit: vec![
            "body_bytes_max".to_owned(),
            "body_byte_max=1".to_owned(),
            "head_timeout=10".to_owned(),
            "nothing=1".to_owned(),
            "body_bytes_max=1".to_owned(),
            "body_bytes_max=2".to_owned(),
        ],
        drain_timeout: "soon".to_owned(),
    };
    let (_, faults) = check(&wrong, ROWS);
    let expected = [
        ("--listen: \"localhost\"", "IP:PORT"),
        ("--listen: \"unix:mcp.sock\"", "unix:/run/mcp.sock"),
        ("--path: \"mcp\"", "begin with /"),
        ("--workers: \"0\"", "leave it out"),
        ("--cpus: \"3-1\"", "0-3,8"),
        ("--io: \"kqueue\"", "auto, io_uring or epoll"),
        ("--allow-origin: \"example.com\"", "SCHEME://HOST"),
        ("--allow-origin: \"https://h/path\"", "without a path"),
        ("--allow-host: \"h/path\"", "HOST:PORT"),
        ("--limit: \"body_bytes_max\"", "NAME=VALUE"),
        ("--limit: there is no limit \"body_byte_max\"", "did you mean body_bytes_max?"),
        ("--limit: head_timeout: \"10\"", "such as 10s"),
        ("--limit: there is no limit \"nothing\"", "`check` lists them all"),
        ("--limit: body_bytes_max is given twice", "give it once"),
        ("--drain-timeout: \"soon\"", "such as 10s"),
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, (begin, fix)) in faults.iter().zip(expected) {
        assert!(fault.starts_with(begin) && fault.contains(fix), "{fault}");
    }
}
