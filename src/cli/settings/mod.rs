//! The settings of `serve` and `check`: flags as typed in, `ServeArgs` out, every fault at once.
//!
//! A fault names the flag, what was written, the rule and the fix. Limits come from the
//! application's table of `LimitRow`s; a setting holds one value for every row.
//! Not here: the flags themselves (`command`), what the server makes of the settings.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::command::RawServe;
use crate::cli::near::nearest;
use crate::cli::values::{LimitKind, LimitValue, parse_duration, render_duration};

const CPU_INDEX_MAX: usize = 4095;
const PATH_DEFAULT: &str = "/mcp";
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// One limit that the server offers to set.
#[derive(Clone, Copy, Debug)]
pub struct LimitRow {
    /// Its name, as written in `--limit NAME=VALUE`.
    pub name: &'static str,
    /// What kind of value it has.
    pub kind: LimitKind,
    /// Its default.
    pub default: LimitValue,
    /// What it bounds, and what happens past it; one line.
    pub about: &'static str,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Which driver carries the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoChoice {
    /// io_uring, or epoll where the kernel refuses it.
    #[default]
    Auto,
    /// io_uring or nothing.
    IoUring,
    /// epoll.
    Epoll,
}

/// A limit and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSetting {
    /// The name of its row.
    pub name: &'static str,
    /// As given, or the row's default.
    pub value: LimitValue,
}

/// Checked settings of `serve`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServeArgs {
    /// Where to listen, at least one.
    pub listen: Vec<ListenAddress>,
    /// The path of the MCP endpoint.
    pub path: String,
    /// How many workers; `None` for one per CPU.
    pub workers: Option<NonZeroUsize>,
    /// The CPUs to pin them to, rising; `None` for those the process may use.
    pub cpus: Option<Vec<usize>>,
    /// Which driver.
    pub io: IoChoice,
    /// Origins of web pages that may call.
    pub allow_origins: Vec<String>,
    /// `Host` values that are answered besides those of the listening addresses.
    pub allow_hosts: Vec<String>,
    /// One for each row of the table, in its order.
    pub limits: Vec<LimitSetting>,
    /// How long running calls may go on after a request to stop.
    pub drain_timeout: Duration,
}

impl ServeArgs {
    /// The value of a limit.
    #[must_use]
    pub fn limit(&self, name: &str) -> Option<LimitValue> {
        self.limits.iter().find(|limit| limit.name == name).map(|limit| limit.value)
    }

    /// The settings for people to read: one a line, every limit with what it bounds.
    #[must_use]
    pub fn report(&self, rows: &[LimitRow]) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:14}  {value}");
        };
        for address in &self.listen {
            line("listen", &address.to_string());
        }
        line("path", &self.path);
        line("workers", &self.workers.map_or("one per CPU".to_owned(), |count| count.to_string()));
        line("cpus", &self.cpus.as_deref().map_or("all allowed".to_owned(), render_cpus));
        line("io", self.io.name());
        line("allow-origin", &or_none(&self.allow_origins));
        line("allow-host", &or_none(&self.allow_hosts));
        line("drain-timeout", &render_duration(self.drain_timeout));
        let limits = limits_table(rows, |row| self.limit(row.name).unwrap_or(row.default));
        for limit in limits.lines() {
            let _ = writeln!(text, "limit {limit}");
        }
        text
    }
}

/// The limits with a value each, one a line.
#[must_use]
pub fn limits_table(rows: &[LimitRow], value: impl Fn(&LimitRow) -> LimitValue) -> String {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for row in rows {
        let shown = value(row).to_string();
        let _ = writeln!(text, "{:width$}  {shown:>8}  {}", row.name, row.about);
    }
    text
}

/// Checks the flags. What is faulty is named in the list and has its default in the settings, so
/// that what stands beside it can be checked further.
#[must_use]
pub fn check(raw: &RawServe, rows: &[LimitRow]) -> (ServeArgs, Vec<String>) {
    let mut faults = Vec::new();
    let mut args = ServeArgs {
        listen: each(&raw.listen, &mut faults, "--listen", parse_listen),
        path: one(&raw.path, &mut faults, "--path", parse_path)
            .unwrap_or_else(|| PATH_DEFAULT.to_owned()),
        workers: raw
            .workers
            .as_deref()
            .and_then(|text| one(text, &mut faults, "--workers", parse_workers)),
        cpus: raw.cpus.as_deref().and_then(|text| one(text, &mut faults, "--cpus", parse_cpus)),
        io: one(&raw.io, &mut faults, "--io", IoChoice::parse).unwrap_or_default(),
        allow_origins: each(&raw.allow_origin, &mut faults, "--allow-origin", parse_origin),
        allow_hosts: each(&raw.allow_host, &mut faults, "--allow-host", parse_host),
        limits: check_limits(&raw.limit, rows, &mut faults),
        drain_timeout: one(&raw.drain_timeout, &mut faults, "--drain-timeout", |text| {
            parse_duration(text).map_err(|error| error.to_string())
        })
        .unwrap_or(DRAIN_TIMEOUT_DEFAULT),
    };
    if args.listen.is_empty() {
        args.listen.push(ListenAddress::Tcp(LISTEN_DEFAULT));
    }
    (args, faults)
}

fn one<T>(
    text: &str,
    faults: &mut Vec<String>,
    flag: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    parse(text).map_err(|fault| faults.push(format!("{flag}: {fault}"))).ok()
}

fn each<T>(
    texts: &[String],
    faults: &mut Vec<String>,
    flag: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    texts.iter().filter_map(|text| one(text, faults, flag, &parse)).collect()
}

fn check_limits(
    given: &[String],
    rows: &[LimitRow],
    faults: &mut Vec<String>,
) -> Vec<LimitSetting> {
    let mut limits: Vec<LimitSetting> =
        rows.iter().map(|row| LimitSetting { name: row.name, value: row.default }).collect();
    let mut seen: Vec<&str> = Vec::new();
    for text in given {
        match parse_limit(text, rows) {
            Ok(given) if seen.contains(&given.name) => {
                faults.push(format!("--limit: {} is given twice: give it once", given.name));
            }
            Ok(given) => {
                seen.push(given.name);
                limits.iter_mut().filter(|limit| limit.name == given.name).for_each(|limit| {
                    limit.value = given.value;
                });
            }
            Err(fault) => faults.push(format!("--limit: {fault}")),
        }
    }
    limits
}

fn parse_limit(text: &str, rows: &[LimitRow]) -> Result<LimitSetting, String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(format!("\"{text}\" is not NAME=VALUE"));
    };
    let Some(row) = rows.iter().find(|row| row.name == name) else {
        let near = nearest(name, rows.iter().map(|row| row.name));
        return Err(match near.first() {
            Some(near) => format!("there is no limit \"{name}\": did you mean {near}?"),
            None => format!("there is no limit \"{name}\": `check` lists them all"),
        });
    };
    let value = row.kind.parse(value).map_err(|error| format!("{name}: {error}"))?;
    Ok(LimitSetting { name: row.name, value })
}

fn parse_listen(text: &str) -> Result<ListenAddress, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        if !path.starts_with('/') {
            return Err(format!("\"{text}\" names no absolute path: write unix:/run/mcp.sock"));
        }
        return Ok(ListenAddress::Unix(PathBuf::from(path)));
    }
    text.parse().map(ListenAddress::Tcp).map_err(|_| {
        format!(
            "\"{text}\" is not an address: write IP:PORT, such as 127.0.0.1:8080 or [::1]:8080, \
             or unix:/PATH"
        )
    })
}

fn parse_path(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if text.starts_with('/') && plain {
        return Ok(text.to_owned());
    }
    Err(format!("\"{text}\" is not a path: begin with / and leave out blanks, ? and #"))
}

fn parse_workers(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| {
        format!("\"{text}\" is not a whole number from 1: leave it out for one per CPU")
    })
}

fn parse_cpus(text: &str) -> Result<Vec<usize>, String> {
    let fault =
        || format!("\"{text}\" is not a list of CPUs from 0 to {CPU_INDEX_MAX}: write 0-3,8");
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) else {
            return Err(fault());
        };
        if first > last || last > CPU_INDEX_MAX {
            return Err(fault());
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
}

fn parse_origin(text: &str) -> Result<String, String> {
    let valid = text.split_once("://").is_some_and(|(scheme, host)| {
        scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            && !scheme.is_empty()
            && is_authority(host)
    });
    if valid {
        return Ok(text.to_owned());
    }
    Err(format!("\"{text}\" is not an origin: write SCHEME://HOST[:PORT], without a path"))
}

fn parse_host(text: &str) -> Result<String, String> {
    if is_authority(text) {
        return Ok(text.to_owned());
    }
    Err(format!("\"{text}\" is not a host: write HOST or HOST:PORT, such as mcp.example.com"))
}

fn is_authority(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\".contains(&byte))
}

impl IoChoice {
    /// The word behind `--io`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::IoUring => "io_uring",
            Self::Epoll => "epoll",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        [Self::Auto, Self::IoUring, Self::Epoll]
            .into_iter()
            .find(|choice| choice.name() == text)
            .ok_or_else(|| format!("\"{text}\" is no driver: write auto, io_uring or epoll"))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn render_cpus(cpus: &[usize]) -> String {
    cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() { "none".to_owned() } else { list.join(" ") }
}

#[cfg(test)]
mod tests;
