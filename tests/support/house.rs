//! A server with a tool of every kind, run on each driver.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Poll;
use std::time::Duration;

use ringlane::{
    Annotations, Answer, BlockingCx, Capability, Content, Cx, DrainHandle, Form, Icon, IoChoice,
    ListenAddress, LogLevel, ResourceContents, ResourceLink, Role, Running, Sampling, Server,
    Settings, Theme, Tool, ToolAnnotations, ToolError,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::Conn;
use super::gate::Gate;

/// A server that runs, and what its tools and the test tell each other.
pub struct House {
    running: Option<Running>,
    pub addresses: Vec<ListenAddress>,
    /// What the tools `hold`, `patient`, `quiet` and `block` wait at.
    pub gate: Gate,
    heard: Receiver<&'static str>,
}

/// What a server stands on.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    pub io: IoChoice,
    pub workers: usize,
}

/// Runs a test on both drivers, with one worker.
pub fn each(change: impl Fn(&mut Settings), test: impl Fn(&House)) {
    for io in [IoChoice::Auto, IoChoice::Epoll] {
        test(&House::open(Ground { io, workers: 1 }, &change));
    }
}

/// Runs a test on both drivers, with one worker and with two.
pub fn each_and_two(change: impl Fn(&mut Settings), test: impl Fn(&House)) {
    each(&change, &test);
    for io in [IoChoice::Auto, IoChoice::Epoll] {
        test(&House::open(Ground { io, workers: 2 }, &change));
    }
}

/// No change.
pub fn plain(_: &mut Settings) {}

/// Runs a test of another server on both drivers, with one worker.
pub fn each_of(server: impl Fn() -> Server, change: impl Fn(&mut Settings), test: impl Fn(&House)) {
    for io in [IoChoice::Auto, IoChoice::Epoll] {
        let ground = Ground { io, workers: 1 };
        test(&House::open_with(ground, &change, |_, _| server()));
    }
}

/// Runs a test of another server on both drivers, with two workers.
pub fn two_of(server: impl Fn() -> Server, change: impl Fn(&mut Settings), test: impl Fn(&House)) {
    for io in [IoChoice::Auto, IoChoice::Epoll] {
        let ground = Ground { io, workers: 2 };
        test(&House::open_with(ground, &change, |_, _| server()));
    }
}

impl House {
    pub fn open(ground: Ground, change: impl Fn(&mut Settings)) -> Self {
        Self::open_with(ground, change, furnish)
    }

    pub fn open_with(
        ground: Ground,
        change: impl Fn(&mut Settings),
        furnish: impl FnOnce(&Gate, &Sender<&'static str>) -> Server,
    ) -> Self {
        let (gate, (told, heard)) = (Gate::default(), channel());
        let server = furnish(&gate, &told).settings(|settings| {
            settings.runtime.io = ground.io;
            settings.runtime.workers = Some(ground.workers);
            let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            settings.runtime.listen = vec![ListenAddress::Tcp(any_port)];
            change(settings);
        });
        let running = server.start().unwrap_or_else(|error| panic!("{ground:?}: {error}"));
        let addresses = running.addresses().to_vec();
        Self { running: Some(running), addresses, gate, heard }
    }

    pub fn connect(&self) -> Conn {
        Conn::open(&self.addresses[0])
    }

    /// Waits until a tool says this.
    pub fn hear(&self, word: &str) {
        assert_eq!(self.heard(), word);
    }

    /// What a tool says next.
    pub fn heard(&self) -> &'static str {
        self.heard.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// Whether no tool said anything more.
    pub fn is_quiet(&self) -> bool {
        self.heard.try_recv().is_err()
    }

    pub fn drain(&self) {
        self.drain_handle().drain();
    }

    pub fn drain_handle(&self) -> DrainHandle {
        self.running.as_ref().unwrap().drain_handle()
    }

    /// Waits for the end after a drain.
    pub fn wait(mut self) {
        self.running.take().unwrap().wait();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.gate.open();
            running.drain_handle().drain();
            if !std::thread::panicking() {
                running.wait();
            }
        }
    }
}

fn furnish(gate: &Gate, told: &Sender<&'static str>) -> Server {
    let server = Server::new("house", "1.2.3")
        .title("House")
        .description("A tool of every kind")
        .website("https://example.com/")
        .icon(icon())
        .instructions("For tests.");
    waiting(asking(broken(telling(structured(content(server))))), gate, told)
}

fn icon() -> Icon {
    Icon {
        mime_type: Some("image/png".to_owned()),
        sizes: vec!["48x48".to_owned()],
        theme: Some(Theme::Dark),
        ..Icon::new("https://example.com/i.png")
    }
}

#[derive(Deserialize, JsonSchema)]
struct Message {
    message: String,
}

fn content(server: Server) -> Server {
    let annotations = Annotations {
        audience: vec![Role::User, Role::Assistant],
        priority: Some(0.5),
        last_modified: Some("2026-01-01T00:00:00Z".to_owned()),
    };
    let blob = || Content::resource(ResourceContents::blob("test://b", "text/plain", vec![0, 9]));
    let link = || ResourceLink {
        uri: "test://l".to_owned(),
        name: "l".to_owned(),
        title: Some("L".to_owned()),
        description: Some("a link".to_owned()),
        mime_type: Some("text/plain".to_owned()),
        size_bytes: Some(7),
    };
    server
        .tool("text", "Text", async |_: Cx, (): ()| Ok("a\r\nb\u{2028}\"é\0"))
        .tool("image", "A picture", async |_: Cx, (): ()| Ok(Content::image(b"\x89", "image/png")))
        .tool("audio", "Sound", async |_: Cx, (): ()| Ok(Content::audio(b"RIFF", "audio/wav")))
        .tool("link", "A link", async move |_: Cx, (): ()| Ok(Content::resource_link(link())))
        .tool("resources", "Two resources", async move |_: Cx, (): ()| {
            let text = ResourceContents::text("test://t", "text/plain", "t");
            Ok(vec![Content::resource(text), blob()])
        })
        .tool("annotated", "Annotated text", async move |_: Cx, (): ()| {
            let text = Content::text("for all").annotated(annotations.clone());
            Ok(text.with_meta("example.com/k", json!({"deep": [1]})))
        })
        .tool("nothing", "Nothing", async |_: Cx, (): ()| Ok(()))
        .tool("echo", "Says it again", async |_: Cx, Message { message }: Message| Ok(message))
}

#[derive(Deserialize, JsonSchema)]
struct Pair {
    a: f64,
    b: f64,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: f64,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "read by the schema alone")]
struct Order {
    /// How many.
    #[schemars(range(min = 1, max = 9))]
    count: u8,
    colour: Colour,
    #[serde(default)]
    note: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Green,
}

#[derive(Deserialize, JsonSchema)]
struct Mirrored {
    #[serde(default)]
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

fn structured(server: Server) -> Server {
    let hints = ToolAnnotations {
        title: Some("Sum".to_owned()),
        read_only_hint: Some(true),
        destructive_hint: Some(false),
        idempotent_hint: Some(true),
        open_world_hint: Some(false),
    };
    server
        .tool("add", "A number", async |_: Cx, Pair { a, b }: Pair| Ok(a + b))
        .add(
            Tool::new("sum", "An object", async |_: Cx, Pair { a, b }: Pair| {
                Ok(Sum { sum: a + b })
            })
            .title("Sum")
            .annotations(hints)
            .icon(icon())
            .meta("example.com/k", 1),
        )
        .tool("list", "An array", async |_: Cx, (): ()| Ok(vec![1, 2, 3]))
        .tool("null", "Null", async |_: Cx, (): ()| Ok(None::<u8>))
        .tool("full", "Said in full", async |_: Cx, (): ()| {
            let answer = Answer::from(Content::text("full")).structured(json!({"a": 1}));
            Ok(answer.with_meta("example.com/k", true))
        })
        .tool("order", "Strict arguments", async |_: Cx, _: Order| Ok("ordered"))
        .tool("mirrored", "Mirrored arguments", async |_: Cx, Mirrored { region }: Mirrored| {
            Ok(region)
        })
        .add(
            Tool::new("by_hand", "A schema by hand", async |_: Cx, all: Value| Ok(all.to_string()))
                .input_schema(json!({
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "type": "object",
                    "$defs": {"n": {"type": "integer"}},
                    "properties": {"n": {"$ref": "#/$defs/n"}},
                    "if": {"required": ["n"]}, "then": {"required": ["m"]},
                    "unevaluatedProperties": true
                }))
                .output_schema(json!({"type": "object"})),
        )
}

#[derive(Deserialize, JsonSchema)]
struct Telling {
    count: u32,
    /// How long the message of each notification is.
    #[serde(default)]
    pad: usize,
}

fn telling(server: Server) -> Server {
    server
        .tool("progress", "Tells its progress", async |cx: Cx, Telling { count, pad }: Telling| {
            let pad = "x".repeat(pad);
            for done in 1..=count {
                cx.progress(done, count, &pad).await;
            }
            Ok("told")
        })
        .tool("wobble", "Progress that does not always increase", async |cx: Cx, (): ()| {
            for done in [1.0, 1.0, 0.5, 2.5, f64::NAN, 2.0, 3.0] {
                cx.progress_so_far(done, "").await;
            }
            Ok("told")
        })
        .tool("logs", "Logs on every level", async |cx: Cx, (): ()| {
            for level in [
                LogLevel::Debug,
                LogLevel::Info,
                LogLevel::Notice,
                LogLevel::Warning,
                LogLevel::Error,
                LogLevel::Critical,
                LogLevel::Alert,
                LogLevel::Emergency,
            ] {
                cx.log_from("house", level, json!({"text": "a\r\nb"})).await;
            }
            Ok("told")
        })
        .tool("meta", "What _meta says", async |cx: Cx, (): ()| {
            Ok(Answer::from(Content::text(
                json!({
                    "k": cx.meta::<Value>("example.com/k"),
                    "token": cx.meta::<Value>("progressToken"),
                    "version": cx.meta::<Value>("io.modelcontextprotocol/protocolVersion"),
                    "revision": cx.revision().to_string(),
                    "wrong": cx.meta::<u8>("example.com/k"),
                })
                .to_string(),
            )))
        })
        .tool("can", "What the client can do", async |cx: Cx, (): ()| {
            let all = [
                Capability::ElicitForm,
                Capability::ElicitUrl,
                Capability::Sampling,
                Capability::Roots,
            ];
            Ok(json!(all.map(|capability| cx.client_can(capability))).to_string())
        })
}

fn broken(server: Server) -> Server {
    server
        .tool("fail", "Fails in words", async |_: Cx, (): ()| {
            Err::<(), _>(ToolError::new("no luck"))
        })
        .tool("fail_by_code", "Fails by code", async |_: Cx, (): ()| {
            Err::<(), _>(ToolError::rpc(7, "seven").with_data(json!({"why": [1]})))
        })
        .tool("needs", "Needs a client that samples", async |cx: Cx, (): ()| {
            cx.require(Capability::Sampling)?;
            Ok("sampled")
        })
        .tool("panic", "Breaks", async |_: Cx, (): ()| -> Result<(), ToolError> { break_down() })
        .tool_blocking("panic_off_core", "Breaks", |_: BlockingCx, (): ()| -> Result<(), _> {
            break_down()
        })
}

fn asking(server: Server) -> Server {
    server.tool("asks", "Asks for all there is, at once", async |cx: Cx, (): ()| {
        type Asking<'a> = Pin<Box<dyn Future<Output = Result<(), ToolError>> + 'a>>;
        let page = "https://example.com/";
        let mut questions: Vec<Asking<'_>> = vec![
            Box::pin(async { cx.ask_form("form", form()).await.map(drop) }),
            Box::pin(async { cx.ask_url("url", "Open this", page).await.map(drop) }),
            Box::pin(async { cx.sample("model", Sampling::user("Hello?")).await.map(drop) }),
            Box::pin(async { cx.roots("roots").await.map(drop) }),
        ];
        poll_fn(|context| {
            let mut failed = None;
            questions.retain_mut(|question| match question.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(answered) => {
                    failed = failed.take().or(answered.err());
                    false
                }
            });
            match failed {
                Some(error) => Poll::Ready(Err(error)),
                None if questions.is_empty() => Poll::Ready(Ok("answered")),
                None => Poll::Pending,
            }
        })
        .await
    })
}

/// A form with a field of every kind but a multiple choice, which older revisions do not have.
pub fn form() -> Form {
    let properties = json!({
        "text": {"type": "string", "title": "Text", "description": "Any", "minLength": 1,
            "maxLength": 9, "format": "email", "default": "a@b.c"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "price": {"type": "number", "default": 1.5},
        "yes": {"type": "boolean", "default": true},
        "plain": {"type": "string", "enum": ["a", "b"], "default": "a"},
        "titled": {"type": "string", "oneOf": [{"const": "a", "title": "A"}], "default": "a"},
    });
    let required = json!(["text"]);
    Form::new("?", json!({"type": "object", "properties": properties, "required": required}))
}

/// A panic that the hook, which prints, is not told of.
fn break_down() -> ! {
    std::panic::resume_unwind(Box::new("a secret of the tool"))
}

/// Says so when it is dropped.
struct Guard(Sender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

fn waiting(server: Server, gate: &Gate, told: &Sender<&'static str>) -> Server {
    let (held, heard) = (gate.clone(), told.clone());
    let hold = async move |_: Cx, (): ()| {
        let guard = Guard(heard.clone());
        heard.send("started")?;
        held.passed().await;
        heard.send("passed")?;
        drop(guard);
        Ok("held")
    };
    let (held, heard) = (gate.clone(), told.clone());
    let patient = async move |cx: Cx, (): ()| {
        cx.progress(1, 2, "").await;
        heard.send("started")?;
        held.passed().await;
        cx.progress(2, 2, "").await;
        Ok("patient")
    };
    let heard = told.clone();
    let tidy = async move |cx: Cx, (): ()| {
        heard.send("started")?;
        cx.cancelled().await;
        heard.send("cancelled")?;
        Ok("tidied up")
    };
    let (held, heard) = (gate.clone(), told.clone());
    let block = move |_: BlockingCx, (): ()| {
        heard.send("started")?;
        held.pass();
        Ok("blocked")
    };
    let heard = told.clone();
    let block_until_cancelled = move |cx: BlockingCx, (): ()| {
        heard.send("started")?;
        while !cx.is_cancelled() {
            std::thread::yield_now();
        }
        heard.send("cancelled")?;
        Ok(())
    };
    server
        .tool("hold", "Waits at the gate", hold)
        .tool("patient", "Tells its progress on both sides of the gate", patient)
        .tool("tidy", "Waits to be cancelled", tidy)
        .tool_blocking("block", "Waits at the gate on a thread of its own", block)
        .tool_blocking("block_until_cancelled", "Waits to be cancelled", block_until_cancelled)
}
