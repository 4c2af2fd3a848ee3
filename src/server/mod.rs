//! `Server`: what a Rust user of this crate sees. Put it together, then run it.
//!
//! Level 8: it joins the layers. A server is filled (`offer`), set up (`settings`), and then run
//! as a whole program (`main`), in the background of one (`start`), until told to stop (`serve`),
//! or in memory for tests (`test_client`).

mod offer;

use std::any::Any;
use std::future::poll_fn;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::broadcast::{Notice, Notices};
use crate::base::clock::Clock;
use crate::base::pool::Pooled;
use crate::catalog::skills::SkillError;
use crate::cli;
use crate::config::Settings;
use crate::controller::catalogue::Catalogue;
use crate::handler::ask::state::PURPOSE;
use crate::handler::call::Services;
use crate::handler::off_core::{Busy, Completion, Job, JobPanicked, OffCore};
use crate::handler::registry::{Registry, RegistryError};
use crate::mcp::model::icon::Icon;
use crate::rt::arrivals::Arrival;
use crate::rt::blocking::BlockingPool;
use crate::rt::server::{Launch, Running, StartError};
use crate::rt::socket::Socket;
use crate::rt::spawn::WorkerTasks;
use crate::rt::worker::WorkerSeat;
use crate::serve::connection::{
    CloseReason, Parcel, Shift, Turn, Work, serve_connection, workbench,
};
use crate::serve::shard::{ServeSettings, Shard};
use crate::session::change::{Change, Changes};
use crate::session::id::IdMint;
use crate::session::seal::Sealer;
use crate::session::table::Membership;
use crate::testing::TestClient;

/// How many boxes for working connections a core keeps.
const KEPT_CONNECTIONS_MAX: usize = 1024;
/// How many changes a core passes on before other work runs.
const NOTICES_IN_A_ROW_MAX: usize = 256;
/// How long cancelled calls are waited for at the end of a drain.
const CANCEL_GRACE: Duration = Duration::from_millis(1500);

/// An MCP server.
///
/// ```no_run
/// use ringlane::{Cx, Server};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Add {
///     /// first addend
///     a: f64,
///     b: f64,
/// }
///
/// fn main() -> std::process::ExitCode {
///     Server::new("calculator", env!("CARGO_PKG_VERSION"))
///         .tool("add", "Add two numbers", async |_: Cx, Add { a, b }: Add| Ok(a + b))
///         .main()
/// }
/// ```
#[derive(Debug)]
#[must_use = "a server does nothing until it runs"]
pub struct Server {
    registry: Registry,
    faults: Vec<RegistryError>,
    skill_faults: Vec<SkillError>,
    pub(crate) settings: Settings,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Something cannot be offered, or settings do not make sense. Every fault is told.
    #[error("{}", faults.join("\n"))]
    Setup {
        /// Each names what is wrong, the rule and the fix.
        faults: Vec<String>,
    },
    /// An address, a core or a driver is not to be had.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Server {
    /// A server of this name and version, with nothing to offer yet.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        let mut registry = Registry::default();
        registry.implementation.name = name.into();
        registry.implementation.version = version.into();
        let (faults, skill_faults) = (Vec::new(), Vec::new());
        Self { registry, faults, skill_faults, settings: Settings::default() }
    }

    /// Its name for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.registry.implementation.title = Some(title.into());
        self
    }

    /// What it is, in a sentence.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.registry.implementation.description = Some(description.into());
        self
    }

    /// Its home on the web.
    pub fn website(mut self, url: impl Into<String>) -> Self {
        self.registry.implementation.website_url = Some(url.into());
        self
    }

    /// A picture for it.
    pub fn icon(mut self, icon: Icon) -> Self {
        self.registry.implementation.icons.push(icon);
        self
    }

    /// How to use what it offers, for the model.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.registry.instructions = Some(instructions.into());
        self
    }

    /// Lets tools turn calls into tasks, by [`Cx::become_task`](crate::Cx::become_task): declares
    /// the extension `io.modelcontextprotocol/tasks` and answers its methods. Without this no call
    /// becomes a task. Tasks live in memory, as long as the process.
    pub fn tasks(mut self) -> Self {
        self.registry.has_tasks = true;
        self
    }

    /// Changes settings: where it listens, who may call, every limit. What the command line says
    /// goes over it.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Runs as a whole program: the command line with `serve`, `check`, `call`, `ls` and the rest.
    /// `serve` listens on the sockets that a service manager passes, tells it what it does, and
    /// hands over to a new process at SIGHUP.
    #[must_use]
    pub fn main(self) -> ExitCode {
        cli::run(self)
    }

    /// Serves until SIGTERM or SIGINT, drains, and returns. A second signal ends the process.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve(self) -> Result<(), ServeError> {
        let running = self.start()?;
        let _signals = running.drain_on_signals()?;
        running.wait();
        Ok(())
    }

    /// Serves in the background, on threads of its own. The handle tells the addresses, drains and
    /// waits.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(self) -> Result<Running, ServeError> {
        self.launch(Launch::default())
    }

    /// Serves in the background with what the process was given.
    pub(crate) fn launch(self, launch: Launch) -> Result<Running, ServeError> {
        let runtime = self.settings.runtime.clone();
        let frozen = self.freeze()?;
        let entry = move |seat| work(seat, frozen.clone());
        Ok(crate::rt::server::launch(&runtime, launch, entry)?)
    }

    /// Serves in memory, on virtual time, for tests: nothing listens, nothing waits.
    ///
    /// ```
    /// use ringlane::{Cx, Server};
    /// use serde_json::json;
    ///
    /// let server = Server::new("greeter", "1.0.0")
    ///     .tool("greet", "Greet", async |_: Cx, (): ()| Ok("Hello"));
    /// let mut client = server.test_client().expect("a sound server");
    /// let result = client.call("greet", json!({})).expect("an answer");
    /// assert_eq!(result["content"][0]["text"], "Hello");
    /// ```
    ///
    /// # Errors
    /// When it would not start: see [`ServeError::Setup`].
    pub fn test_client(self) -> Result<TestClient, ServeError> {
        let Frozen { settings, catalogue, mint, sealer } = self.freeze()?;
        Ok(TestClient::new(settings, catalogue, mint, sealer))
    }

    /// What it cannot offer.
    pub(crate) fn registry_faults(&self) -> Vec<String> {
        let faults = self.faults.iter().map(ToString::to_string);
        faults.chain(self.skill_faults.iter().map(ToString::to_string)).collect()
    }

    /// Its name and version.
    pub(crate) fn identity(&self) -> (&str, &str) {
        let implementation = &self.registry.implementation;
        (&implementation.name, &implementation.version)
    }

    /// What it is, in a line.
    pub(crate) fn summary(&self) -> &str {
        let implementation = &self.registry.implementation;
        implementation
            .description
            .as_deref()
            .or(implementation.title.as_deref())
            .unwrap_or("An MCP server over Streamable HTTP")
    }

    /// How much it offers of each kind.
    pub(crate) fn offer_counts(&self) -> [(&'static str, usize); 4] {
        let registry = &self.registry;
        [
            ("tools", registry.tools().len()),
            ("resources", registry.resources().len()),
            ("templates", registry.templates().len()),
            ("prompts", registry.prompts().len()),
        ]
    }

    /// A call that is likely to work: the first tool, with a value of the right kind for each
    /// argument that it requires.
    pub(crate) fn sample_call(&self) -> Option<(String, String)> {
        let definition = &self.registry.tools().first()?.definition;
        let schema = &definition.input_schema;
        let required = schema["required"].as_array().into_iter().flatten();
        let arguments = required.filter_map(Value::as_str).map(|name| {
            let value = match schema["properties"][name]["type"].as_str() {
                Some("number" | "integer") => json!(2),
                Some("boolean") => json!(true),
                Some("array") => json!([]),
                Some("object") => json!({}),
                _ => json!("hello"),
            };
            (name.to_owned(), value)
        });
        let arguments = Value::Object(arguments.collect());
        Some((definition.name.clone(), arguments.to_string()))
    }

    /// What every core is given.
    pub(crate) fn freeze(self) -> Result<Frozen, ServeError> {
        let mut faults = self.registry_faults();
        faults.extend(self.settings.check().err().unwrap_or_default());
        if !faults.is_empty() {
            return Err(ServeError::Setup { faults });
        }
        // Two servers that share a key must not take each other's tokens.
        let purpose = format!("{PURPOSE} of {}", self.registry.implementation.name);
        let sealer = Sealer::new(&self.settings.state_key, &purpose)
            .map_err(|fault| ServeError::Setup { faults: vec![fault.to_string()] })?;
        let catalogue = Catalogue::new(self.registry, &self.settings.lists);
        let mint =
            IdMint::new().map_err(|fault| ServeError::Setup { faults: vec![fault.to_string()] })?;
        let settings = Arc::new(self.settings.serve);
        Ok(Frozen { settings, catalogue, mint: Arc::new(mint), sealer: Arc::new(sealer) })
    }
}

/// What every core is given, frozen.
#[derive(Clone, Debug)]
pub(crate) struct Frozen {
    pub(crate) settings: Arc<ServeSettings>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) mint: Arc<IdMint>,
    pub(crate) sealer: Arc<Sealer>,
}

/// What a worker does: accept and serve until the drain, then see the connections out.
async fn work(mut seat: WorkerSeat, frozen: Frozen) {
    let Frozen { settings, catalogue, mint, sealer } = frozen;
    let clock: Rc<dyn Clock> = seat.clock().clone();
    let services = Services {
        clock: clock.clone(),
        off_core: Arc::new(Pool(seat.blocking().clone())),
        spawn: Rc::new(WorkerTasks),
        sealer,
        changes: Changes::new(Arc::new(seat.announcer())),
    };
    let mesh = seat.mesh();
    let membership = Membership { worker: mesh.index(), worker_count: mesh.workers(), mint };
    let shard = Shard::new(settings, catalogue, services, &membership);
    if let Some(notices) = seat.take_notices() {
        seat.spawn(pass_on(notices, shard.clone(), clock.clone()));
    }
    let hand_over = move |socket, Parcel { to, input }| {
        mesh.hand_over(to, socket, input).map_err(|(socket, _unanswered)| socket)
    };
    let bench = Rc::new(workbench(shard.clone(), KEPT_CONNECTIONS_MAX, hand_over));
    while let Some((socket, shift)) = next_connection(&mut seat).await {
        seat.spawn(serve(socket, shift, &shard, &bench));
    }
    let cancel_at = if seat.is_succeeded() { shard.step_down() } else { shard.drain() };
    let mut are_gone = false;
    let seen_out = see_out(&mut seat, &shard, &bench, &mut are_gone);
    if clock.timers().timeout(cancel_at, seen_out).await.is_err() {
        shard.cancel();
        let give_up_at = clock.now().after(CANCEL_GRACE);
        let seen_out = see_out(&mut seat, &shard, &bench, &mut are_gone);
        // Who is still there after that took no answer in time: the process ends regardless.
        let _ = clock.timers().timeout(give_up_at, seen_out).await;
    }
}

/// The next connection; `None` when the drain begins or ends.
async fn next_connection(seat: &mut WorkerSeat) -> Option<(Socket, Shift)> {
    connection(seat.next_connection().await)
}

/// The connection that came, if one did, and how it begins.
fn connection(arrival: Arrival) -> Option<(Socket, Shift)> {
    match arrival {
        Arrival::Accepted(accepted) => Some((accepted.socket, Shift::Wait)),
        Arrival::Handed { socket, input } => Some((socket, Shift::with_input(input))),
        Arrival::Draining | Arrival::Ended => None,
    }
}

/// What runs the shifts of a worker's connections.
trait Bench: Fn(Socket, Work) -> Pooled<Turn<Socket>> + 'static {}

impl<B: Fn(Socket, Work) -> Pooled<Turn<Socket>> + 'static> Bench for B {}

/// Serves one connection.
fn serve<B: Bench>(
    socket: Socket,
    shift: Shift,
    shard: &Rc<Shard>,
    bench: &Rc<B>,
) -> impl Future<Output = CloseReason> + use<B> {
    let bench = bench.clone();
    serve_connection(socket, shift, shard.clone(), move |socket, work| bench(socket, work))
}

/// Serves those that other workers still hand over, until no connection lives and nothing runs by
/// itself. `are_gone` says whether the connections of this worker are known to have ended.
async fn see_out<B: Bench>(
    seat: &mut WorkerSeat,
    shard: &Rc<Shard>,
    bench: &Rc<B>,
    are_gone: &mut bool,
) {
    loop {
        let came = {
            let (mut next, mut rest) = (pin!(seat.next_connection()), pin!(shard.rest()));
            poll_fn(|context| match next.as_mut().poll(context) {
                Poll::Ready(arrival) => Poll::Ready(Some(arrival)),
                Poll::Pending if *are_gone => rest.as_mut().poll(context).map(|()| None),
                Poll::Pending => Poll::Pending,
            })
            .await
        };
        let Some(arrival) = came else { return };
        match connection(arrival) {
            Some((socket, shift)) => {
                *are_gone = false;
                seat.spawn(serve(socket, shift, shard, bench));
            }
            None => *are_gone = true,
        }
    }
}

/// Passes on to this core's clients what changed.
#[expect(clippy::infinite_loop, reason = "it lives as long as its worker")]
async fn pass_on(mut notices: Notices<Change>, shard: Rc<Shard>, clock: Rc<dyn Clock>) {
    loop {
        for _ in 0..NOTICES_IN_A_ROW_MAX {
            match notices.next().await {
                Notice::Message(change) => shard.announce(&change),
                Notice::Lost => shard.announce_all(),
            }
        }
        // A core that is told without end does other things too.
        clock.timers().sleep_until(clock.now().after(Duration::from_millis(1))).await;
    }
}

/// The process's pool of threads, as handlers see it.
#[derive(Debug)]
struct Pool(BlockingPool);

impl OffCore for Pool {
    fn submit(&self, job: Job) -> Result<Completion, Busy> {
        let completion = self.0.submit(job).map_err(|_full| Busy)?;
        Ok(Box::pin(async move {
            let product: Box<dyn Any + Send> = completion.await.map_err(|_| JobPanicked)?;
            Ok(product)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::pool::FuturePool;

    /// What a waiting connection holds in its task, all that its worker adds included: growth here
    /// is growth for every idle client. The runtime adds a header, the socket what it shares with
    /// its poll.
    #[test]
    fn a_waiting_connection_is_small() {
        fn size_of_future<B, F>(
            _: impl Fn(Socket, Shift, &Rc<Shard>, &Rc<B>) -> F,
            _: &Rc<B>,
        ) -> usize {
            size_of::<F>()
        }
        let bench = Rc::new(|socket, _: Work| {
            FuturePool::new(1).run(std::future::ready(Turn::Stay::<Socket>(socket, Shift::Wait)))
        });
        let size = size_of_future(serve, &bench);
        assert!(size <= 144, "{size} bytes");
    }
}
