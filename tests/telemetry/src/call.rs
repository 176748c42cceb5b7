//! API calls: what is called with what, and the payload that says so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use prost::Message;

use super::random::{Random, digest};
use super::record::{Plan, Source, text, texts, truth};

/// The fields that are called: receiver, field, what it returns, its arguments.
const FIELDS: &[(&str, &str, &str, &[&str])] = &[
    ("Query", "container", "Container", &[]),
    ("Container", "from", "Container", &["address"]),
    ("Container", "withExec", "Container", &["args"]),
    ("Container", "withDirectory", "Container", &["path", "source"]),
    ("Container", "withMountedCache", "Container", &["path", "cache"]),
    ("Container", "withEnvVariable", "Container", &["name", "value"]),
    ("Container", "withWorkdir", "Container", &["path"]),
    ("Container", "file", "File", &["path"]),
    ("Container", "stdout", "String", &[]),
    ("Container", "sync", "Container", &[]),
    ("Directory", "directory", "Directory", &["path"]),
    ("Directory", "filter", "Directory", &["include", "exclude"]),
    ("Directory", "withNewFile", "Directory", &["path", "contents"]),
    ("Directory", "glob", "[String!]!", &["pattern"]),
    ("Query", "cacheVolume", "CacheVolume", &["key"]),
    ("Query", "git", "GitRepository", &["url"]),
    ("GitRef", "tree", "Directory", &[]),
    ("Host", "directory", "Directory", &["path", "include", "exclude"]),
];

/// Functions of modules: the module's type, the function, what it returns.
const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("Go", "lint", "Void"),
    ("Go", "test", "String"),
    ("Go", "base", "Container"),
    ("Node", "install", "Directory"),
    ("Shop", "image", "Container"),
];

/// How many earlier calls are remembered as receivers and inputs.
const MEMORY: usize = 64;

/// The calls of a trace. Calls repeat, with their digests, as they do in real runs.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    recent: Vec<String>,
    next: usize,
}

/// A call that is about to happen.
pub(super) struct Called {
    pub(super) plan: Plan,
    /// Its digest.
    pub(super) digest: String,
    /// Whether its result is in the cache.
    pub(super) is_cached: bool,
    /// Whether it runs a command.
    pub(super) is_exec: bool,
}

impl Calls {
    pub(super) fn new() -> Self {
        Self { recent: vec![digest(&["Query.currentWorkspace"])], next: 0 }
    }

    /// Some call.
    pub(super) fn call(&mut self, random: &mut Random) -> Called {
        if random.chance(6) {
            let (receiver, field, returns) = random.pick(FUNCTIONS);
            return self.called(random, (receiver, field, returns, &["source", "flags"]), true);
        }
        let field = *random.pick(FIELDS);
        self.called(random, field, false)
    }

    /// The call of a command that is not in the cache.
    pub(super) fn exec(&mut self, random: &mut Random) -> Called {
        let mut called = self.called(random, FIELDS[2], false);
        if called.is_cached {
            called.is_cached = false;
            called.plan.ending = evidence(&called.digest, "executed", &[]);
        }
        called
    }

    fn called(&mut self, random: &mut Random, field: (&str, &str, &str, &[&str]), is_function: bool) -> Called {
        let (receiver_type, name, returns, arguments) = field;
        let receiver = (receiver_type != "Query").then(|| random.pick(&self.recent).clone());
        let mut inputs: Vec<String> = receiver.iter().cloned().collect();
        let mut args: Vec<wire::Argument> = arguments.iter().map(|name| self.argument(random, name, &mut inputs)).collect();
        if is_function {
            args.push(wire::argument("version", wire::Value::String(format!("1.{}", random.below(4)))));
        }
        let module_digest = digest(&["module", receiver_type]);
        let mut call = wire::Call {
            receiver_digest: receiver.unwrap_or_default(),
            returns: Some(wire::Type { named_type: returns.to_owned(), elem: None, non_null: true }),
            field: name.to_owned(),
            args,
            module: Some(wire::Module {
                call_digest: module_digest.clone(),
                name: "shop".to_owned(),
                reference: "github.com/acme/shop/.dagger@3f1c9ad2be07a4c9a51b74e1c0f6ce8de2a1b7c4".to_owned(),
                pin: "3f1c9ad2be07a4c9a51b74e1c0f6ce8de2a1b7c4".to_owned(),
            }),
            digest: String::new(),
            implicit_inputs: ["cachePerSession", "cachePerClient", "cacheAsRequested:noCache"]
                .map(|name| wire::argument(name, wire::Value::String(digest(&[name, "of the session"]).repeat(2))))
                .to_vec(),
        };
        call.digest = digest(&[&STANDARD.encode(call.encode_to_vec())]);
        let is_cached = random.chance(60);
        self.remember(call.digest.clone());
        let digest = call.digest.clone();
        let mut plan = Plan::new(Source::Engine, "dagger.io/core", format!("{receiver_type}.{name}")).with([
            text("dagger.io/dag.digest", digest.as_str()),
            text("dagger.io/dag.call", STANDARD.encode(call.encode_to_vec())),
            texts("dagger.io/dag.inputs", inputs.iter().cloned()),
        ]);
        if is_function {
            plan = plan.with([
                text("dagger.io/module.ref", "github.com/acme/shop/.dagger@3f1c9ad2be07a4c9a51b74e1c0f6ce8de2a1b7c4"),
                text("dagger.io/module.function.name", format!("{receiver_type}.{name}")),
                text("dagger.io/module.caller.ref", ""),
            ]);
        } else if random.chance(25) {
            plan = plan.with([truth("dagger.io/ui.internal")]);
        } else if random.below(1_000) == 0 {
            plan = plan.with([truth("dagger.io/ui.reveal")]);
        }
        inputs.push(module_digest);
        let outcome = if is_cached { "hit" } else { "executed" };
        let plan = plan.ending_with(evidence(&digest, outcome, &inputs));
        Called { plan, digest, is_cached, is_exec: matches!(name, "withExec" | "stdout" | "sync" | "test") }
    }

    fn argument(&self, random: &mut Random, name: &str, inputs: &mut Vec<String>) -> wire::Argument {
        let texts = |texts: &[&str]| wire::list(texts.iter().map(|text| wire::Value::String((*text).to_owned())));
        let value = match name {
            "args" => {
                let command: &&[&str] = random.pick(COMMANDS);
                texts(command)
            }
            "include" => texts(&["**/*.go", "go.mod", "go.sum", "internal/**", "cmd/**", "testdata/**/*.golden"]),
            "exclude" => texts(&["**/node_modules", ".git", "dist/**", "**/*.md"]),
            "source" | "cache" => {
                let input = random.pick(&self.recent).clone();
                inputs.push(input.clone());
                wire::Value::CallDigest(input)
            }
            "flags" => texts(&["-race", "-count=1", "./..."]),
            "contents" => {
                wire::Value::String("package main\n\nfunc main() {\n\tprintln(\"hello\")\n}\n".repeat(1 + random.below(6) as usize))
            }
            "address" => wire::Value::String(format!("docker.io/library/golang:1.2{}-alpine", random.below(6))),
            _ => wire::Value::String(format!("/src/{name}/{}", random.below(24))),
        };
        wire::argument(name, value)
    }

    fn remember(&mut self, digest: String) {
        if self.recent.len() < MEMORY {
            self.recent.push(digest);
        } else {
            self.next = (self.next + 1) % MEMORY;
            self.recent[self.next] = digest;
        }
    }
}

/// The commands that run.
pub(super) const COMMANDS: &[&[&str]] = &[
    &["go", "test", "./..."],
    &["go", "build", "-o", "/out/shop", "./cmd/shop"],
    &["golangci-lint", "run", "--timeout=5m"],
    &["npm", "ci", "--no-audit"],
    &["npm", "run", "build", "--workspace=web"],
    &["cargo", "nextest", "run", "--workspace"],
    &["sh", "-c", "apk add --no-cache git make && make dist"],
];

/// What a finished call says about the cache.
fn evidence(digest_of_call: &str, outcome: &str, inputs: &[String]) -> Vec<KeyValue> {
    let own = digest(&["self", digest_of_call]);
    let mut evidence = vec![
        text("dagger.io/dag.output", digest(&["output", digest_of_call])),
        text("dagger.io/cache.contract", "1"),
        text("dagger.io/cache.outcome", outcome),
        text("dagger.io/cache.self_digest", own.as_str()),
        texts("dagger.io/cache.structural_inputs", inputs.iter().cloned()),
        text("dagger.io/cache.pairing_digest", digest(&["pair", &own])),
    ];
    if outcome == "hit" {
        evidence.extend([truth("dagger.io/dag.cached"), text("dagger.io/cache.hit.route", "recipe")]);
    } else {
        evidence.push(text("dagger.io/cache.miss.unknown_input", "0"));
    }
    evidence
}

/// The message `Call` of `call.proto` in Dagger's sources, as far as it is sent here: more than Quillon reads of it.
mod wire {
    pub(super) use quillon_otlp::call::wire::{Argument, Type, Value};
    use quillon_otlp::call::wire::{List, Literal};

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Call {
        #[prost(string, tag = "1")]
        pub(super) receiver_digest: String,
        #[prost(message, optional, tag = "2")]
        pub(super) returns: Option<Type>,
        #[prost(string, tag = "3")]
        pub(super) field: String,
        #[prost(message, repeated, tag = "4")]
        pub(super) args: Vec<Argument>,
        #[prost(message, optional, tag = "8")]
        pub(super) module: Option<Module>,
        #[prost(string, tag = "9")]
        pub(super) digest: String,
        #[prost(message, repeated, tag = "15")]
        pub(super) implicit_inputs: Vec<Argument>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Module {
        #[prost(string, tag = "1")]
        pub(super) call_digest: String,
        #[prost(string, tag = "2")]
        pub(super) name: String,
        #[prost(string, tag = "3")]
        pub(super) reference: String,
        #[prost(string, tag = "4")]
        pub(super) pin: String,
    }

    pub(super) fn argument(name: &str, value: Value) -> Argument {
        Argument { name: name.to_owned(), value: Some(Literal { value: Some(value) }) }
    }

    pub(super) fn list(values: impl IntoIterator<Item = Value>) -> Value {
        Value::List(List { values: values.into_iter().map(|value| Literal { value: Some(value) }).collect() })
    }
}
