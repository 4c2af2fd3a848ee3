//! A server as a program: what `serve` prints before it serves, and how it ends.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use serde_json::Value;

use crate::cli::Application;
use crate::cli::settings::gibibytes;
use crate::cli::terminal::Terminal;
use crate::config::Settings;
use crate::config::values::LimitValue;
use crate::http::authority::Authority;
use crate::http::origin::{HostPolicy, Verdict};
use crate::rt::address::ListenAddress;
use crate::rt::affinity;
use crate::rt::life::Birth;
use crate::rt::passed::Passed;
use crate::rt::server::Running;
use crate::serve::shard::ServeSettings;
use crate::server::Server;

/// A tool that the line to paste calls, and its arguments as JSON.
type Sample = (String, String);

impl Application for Server {
    fn name(&self) -> &str {
        self.identity().0
    }

    fn version(&self) -> &str {
        self.identity().1
    }

    fn about(&self) -> &str {
        self.summary()
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn check(&self, settings: &Settings) -> Result<String, Vec<String>> {
        let mut faults = self.registry_faults();
        faults.extend(settings.check().err().unwrap_or_default());
        let cpus = affinity::check(settings.runtime.cpus.as_ref());
        faults.extend(cpus.err().map(|fault| format!("--cpus: {fault}")));
        if faults.is_empty() {
            let mut text = String::new();
            for (name, count) in self.offer_counts() {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{name:14}  {count}");
            }
            return Ok(text);
        }
        Err(faults)
    }

    fn serve(
        mut self,
        settings: Settings,
        passed: Option<Passed>,
        terminal: &mut Terminal,
    ) -> Result<ExitCode, String> {
        let sample = self.sample_call();
        let (name, version) = self.identity();
        let title = format!("{name} {version}");
        self.settings = settings.clone();
        let (birth, launch) = Birth::new(passed)
            .map_err(|error| format!("the path of this program is not to be had: {error}"))?;
        let mut running = self.launch(launch).map_err(|error| error.to_string())?;
        let drain_timeout = settings.serve.limits.drain_timeout;
        let status = status(&running, &settings.serve.path);
        let life = match birth.begin(&mut running, &status, drain_timeout, complain) {
            Ok(life) => life,
            Err(error) => {
                // What it has accepted by now is answered all the same.
                running.drain_handle().drain();
                running.wait();
                return Err(error.to_string());
            }
        };
        let greeting = greeting(&title, &running, &settings, sample);
        // A server whose greeting nobody reads serves all the same.
        let _ = terminal.print(&greeting);
        for warning in warnings(&running, &settings.serve.hosts) {
            terminal.tell(&warning);
        }
        running.wait();
        drop(life);
        Ok(ExitCode::SUCCESS)
    }
}

/// What a service manager shows beside the service.
fn status(running: &Running, path: &str) -> String {
    let urls: Vec<_> = running.addresses().iter().map(|address| url(address, path)).collect();
    format!("serves {}; {}, {}", urls.join(" "), workers(running.cpus()), running.driver())
}

/// Tells what goes wrong while the server runs, from whatever thread sees it.
fn complain(what: &str) {
    Terminal::of_process().tell(what);
}

/// What a person and a script want to know at the start: where, on which cores, by which driver,
/// within which limits, and lines to paste. A script finds the URLs behind `serves`, as `call` and
/// `ls` take them.
fn greeting(title: &str, running: &Running, settings: &Settings, sample: Option<Sample>) -> String {
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{words}");
    };
    for address in running.addresses() {
        line(format_args!("{title} serves {}", url(address, &settings.serve.path)));
    }
    line(format_args!("  {}, {}", workers(running.cpus()), running.driver()));
    let limits = &settings.serve.limits;
    line(format_args!(
        "  at most {} connections, {} a body, {} a call; all buffers full: {}",
        running.connections_max(),
        LimitValue::Bytes(limits.body.body_bytes_max),
        LimitValue::Duration(limits.call_timeout),
        gibibytes(settings.memory_bytes_max())
    ));
    if let Some(sample) = sample {
        line(format_args!("\nTry it:"));
        for address in tried(running.addresses()) {
            line(format_args!("  {}", curl(address, &settings.serve, &sample)));
        }
    }
    line(format_args!("\nCtrl-C ends it; calls that run are answered first."));
    text
}

/// What an operator should hear although the server runs.
fn warnings(running: &Running, hosts: &HostPolicy) -> Vec<String> {
    let unpinned = running.unpinned().iter().map(|worker| {
        format!("warning: worker {worker} could not be pinned to its CPU: name others by --cpus")
    });
    let unheard = running.addresses().iter().filter(|address| is_unheard(address, hosts));
    let unheard = unheard.map(|address| {
        format!(
            "warning: {address} answers only requests whose Host is localhost, 127.0.0.1 or \
             [::1]: add --allow-host NAME for each name that clients use"
        )
    });
    unpinned.chain(unheard).collect()
}

/// Whether others may reach it, but by no name that it answers to.
fn is_unheard(address: &ListenAddress, hosts: &HostPolicy) -> bool {
    let ListenAddress::Tcp(address) = address else { return false };
    !hosts.reaches_beyond_loopback() && !answers_to(hosts, &address.to_string())
}

fn answers_to(hosts: &HostPolicy, host: &str) -> bool {
    hosts.judge(Authority::parse(host.as_bytes()).as_ref()) == Verdict::Allowed
}

fn url(address: &ListenAddress, path: &str) -> String {
    match address {
        ListenAddress::Tcp(address) => format!("http://{address}{path}"),
        ListenAddress::Localhost(port) => format!("http://localhost:{port}{path}"),
        ListenAddress::Unix(socket) => format!("unix:{}:{path}", socket.display()),
    }
}

/// `2 workers on CPUs 0 1`
fn workers(cpus: &[Option<usize>]) -> String {
    let count = cpus.len();
    let plural = if count == 1 { "worker" } else { "workers" };
    let pinned: Vec<_> = cpus.iter().flatten().map(usize::to_string).collect();
    if pinned.is_empty() {
        return format!("{count} {plural}, not pinned");
    }
    let named = if pinned.len() == 1 { "CPU" } else { "CPUs" };
    format!("{count} {plural} on {named} {}", pinned.join(" "))
}

/// One address of each kind: `localhost` alone stands for two.
fn tried(addresses: &[ListenAddress]) -> impl Iterator<Item = &ListenAddress> {
    let is_unix = |address: &&ListenAddress| matches!(address, ListenAddress::Unix(_));
    let network = addresses.iter().find(|address| !is_unix(address));
    network.into_iter().chain(addresses.iter().find(is_unix))
}

/// A call of the sample tool that works when pasted into a shell.
fn curl(address: &ListenAddress, serve: &ServeSettings, (tool, arguments): &Sample) -> String {
    let named = serve.hosts.sample().unwrap_or("localhost");
    let mut line = "curl -s".to_owned();
    match address {
        ListenAddress::Unix(socket) => {
            let socket = quoted(&socket.display().to_string());
            let url = quoted(&format!("http://{named}{}", serve.path));
            line.push_str(&format!(" --unix-socket {socket} {url}"));
        }
        ListenAddress::Tcp(_) | ListenAddress::Localhost(_) => {
            let authority = match address {
                ListenAddress::Tcp(socket) => reachable(*socket).to_string(),
                other => other.to_string(),
            };
            line.push_str(&format!(" {}", quoted(&format!("http://{authority}{}", serve.path))));
            if !answers_to(&serve.hosts, &authority) {
                line.push_str(&format!(" -H {}", quoted(&format!("Host: {named}"))));
            }
        }
    }
    let tool = Value::from(tool.as_str());
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\
         \"params\":{{\"name\":{tool},\"arguments\":{arguments}}}}}"
    );
    format!("{line} -H 'Content-Type: application/json' -d {}", quoted(&body))
}

/// The address by which this machine reaches one that stands for all of its own.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

/// Text as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=,@%+".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ServeSettings {
        Settings::default().serve
    }

    #[test]
    fn lines_to_paste_reach_the_server_by_a_name_that_it_answers_to() {
        let table = [
            ("127.0.0.1:80", "curl -s http://127.0.0.1:80/mcp -H 'Content"),
            ("0.0.0.0:80", "curl -s http://127.0.0.1:80/mcp -H 'Content"),
            ("[::]:80", "curl -s 'http://[::1]:80/mcp' -H 'Content"),
            ("127.0.0.2:80", "curl -s http://127.0.0.2:80/mcp -H 'Host: localhost' -H 'Content"),
            ("unix:/a b'c", "curl -s --unix-socket '/a b'\\''c' http://localhost/mcp -H 'Content"),
        ];
        let sample = ("it's".to_owned(), "{}".to_owned());
        for (address, expected) in table {
            let line = curl(&address.parse().expect(address), &settings(), &sample);
            assert!(line.starts_with(expected), "{line}");
            assert!(line.contains(r#""name":"it'\''s","arguments":{}"#), "{line}");
        }
        let mut named = settings();
        named.hosts = HostPolicy::closed();
        named.hosts.allow("mcp.example").expect("a host");
        let line = curl(&"unix:/a".parse().expect("an address"), &named, &sample);
        assert!(line.contains(" http://mcp.example/mcp "), "{line}");
        let line = curl(&"127.0.0.1:80".parse().expect("an address"), &named, &sample);
        assert!(line.contains(" -H 'Host: mcp.example' "), "{line}");
    }

    #[test]
    fn addresses_that_others_reach_by_no_name_are_warned_of() {
        let mut named = HostPolicy::default();
        named.allow("mcp.example").expect("a host");
        let table = [
            ("127.0.0.1:80", false),
            ("[::1]:80", false),
            ("unix:/a", false),
            ("0.0.0.0:80", true),
            ("[::]:80", true),
            ("192.0.2.1:80", true),
        ];
        for (address, unheard) in table {
            let address = address.parse().expect(address);
            assert_eq!(is_unheard(&address, &HostPolicy::default()), unheard, "{address}");
            assert!(!is_unheard(&address, &named), "{address}");
        }
    }
}
