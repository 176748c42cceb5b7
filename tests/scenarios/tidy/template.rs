//! Rules for template.yaml: it gives every function what it reads and nothing else, and its queues lose nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml_ng::Value;

use super::manifests::dependencies;
use super::{SourceFile, expect_none, files_below, read, rooms};

/// Variables that no function of ours reads, but a library does.
const READ_BY_LIBRARIES: [&str; 2] = ["RUST_LOG", "SSL_CERT_FILE"];

/// How often AWS wants a message to be hidden longer than its handler may take.
const VISIBILITY_FACTOR: u64 = 6;

/// template.yaml.
pub(crate) struct Template {
    document: Value,
}

/// A function of the template.
pub(crate) struct Function {
    /// Its logical id.
    id: String,
    /// The room below `functions/` that it is built from.
    room: String,
    /// Its variables beside those of all functions, and the resource or parameter of each.
    pub(crate) variables: BTreeMap<String, String>,
    /// The folder that SAM builds it in.
    folder: String,
    timeout: u64,
    statements: Vec<Statement>,
    sources: Vec<Source>,
}

/// A statement of a policy.
struct Statement {
    allows: bool,
    actions: Vec<String>,
    /// Logical ids, or the text where it is something else.
    resources: Vec<String>,
}

/// A queue that invokes a function.
struct Source {
    queue: String,
    reports_failures: bool,
}

impl Template {
    pub(crate) fn read() -> Self {
        Self { document: serde_yaml_ng::from_str(&read("template.yaml")).expect("template.yaml is YAML") }
    }

    pub(crate) fn function(&self, room: &str) -> Function {
        self.functions()
            .into_iter()
            .find(|function| function.room == room)
            .unwrap_or_else(|| panic!("template.yaml has no function for `{room}`"))
    }

    fn functions(&self) -> Vec<Function> {
        let resources = plain(&self.document["Resources"]).as_mapping().expect("resources");
        let functions = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
        functions.map(|(id, resource)| self.function_of(text(id), resource)).collect()
    }

    fn function_of(&self, id: String, resource: &Value) -> Function {
        let binary = text(&resource["Metadata"]["BuildProperties"]["Binary"]);
        let properties = &resource["Properties"];
        let timeout = properties["Timeout"].as_u64().or_else(|| self.document["Globals"]["Function"]["Timeout"].as_u64());
        let policies = properties["Policies"].as_sequence().cloned().unwrap_or_default();
        let statements = policies.iter().flat_map(|policy| policy["Statement"].as_sequence().cloned().unwrap_or_default());
        let events = properties["Events"].as_mapping().cloned().unwrap_or_default();
        let sources = events.into_iter().map(|(_, event)| event).filter(|event| event["Type"] == "SQS");
        Function {
            room: binary.strip_prefix("quillon-").unwrap_or(&binary).to_owned(),
            variables: variables(&properties["Environment"]["Variables"]),
            folder: text(&properties["CodeUri"]),
            timeout: timeout.unwrap_or_else(|| panic!("`{id}` has no timeout")),
            statements: statements.map(|statement| Statement::of(&statement)).collect(),
            sources: sources.map(|event| Source::of(&event["Properties"])).collect(),
            id,
        }
    }

    fn global_variables(&self) -> BTreeMap<String, String> {
        variables(&self.document["Globals"]["Function"]["Environment"]["Variables"])
    }

    fn queue(&self, id: &str) -> &Value {
        let queue = &self.document["Resources"][id];
        assert_eq!(queue["Type"], "AWS::SQS::Queue", "`{id}` is no queue");
        &queue["Properties"]
    }
}

impl Statement {
    fn of(statement: &Value) -> Self {
        let resources = if statement["NotResource"].is_null() { &statement["Resource"] } else { &statement["NotResource"] };
        Self {
            allows: statement["Effect"] == "Allow",
            actions: list(&statement["Action"]).iter().map(text).collect(),
            resources: list(resources).iter().map(target).collect(),
        }
    }
}

impl Source {
    fn of(properties: &Value) -> Self {
        let responses = list(&properties["FunctionResponseTypes"]);
        Self {
            queue: target(&properties["Queue"]),
            reports_failures: responses.iter().any(|response| response == "ReportBatchItemFailures"),
        }
    }
}

impl Function {
    /// What it is allowed to do something of this kind with.
    fn granted(&self, actions: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let statements =
            self.statements.iter().filter(|statement| statement.allows && statement.actions.iter().any(|action| actions(action)));
        statements.flat_map(|statement| &statement.resources).cloned().collect()
    }

    /// The resources of the variables whose names are like this.
    fn named(&self, names: impl Fn(&str) -> bool) -> BTreeSet<String> {
        self.variables.iter().filter(|(name, _)| names(name)).map(|(_, resource)| resource.clone()).collect()
    }

    /// The settings that its code reads.
    fn settings(&self) -> BTreeSet<String> {
        let files = files_below(&format!("functions/{}/src", self.room));
        files.iter().filter(|file| !file.is_test()).flat_map(settings_of).collect()
    }
}

/// The names that follow `required("`, `optional("` and the like; fields of forms are read by such words too, but in small letters.
fn settings_of(file: &SourceFile) -> Vec<String> {
    const CALLS: [&str; 5] = ["required(\"", "required_url(\"", "optional(\"", "parsed(\"", "required_parsed(\""];
    let mut names = Vec::new();
    for call in CALLS {
        names.extend(file.text.split(call).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    names.retain(|name| !name.contains(|c: char| c.is_ascii_lowercase()));
    names
}

/// What stands behind a tag such as `!Ref`.
fn plain(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) => &tagged.value,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Sequence(_) | Value::Mapping(_) => value,
    }
}

fn text(value: &Value) -> String {
    plain(value).as_str().unwrap_or_else(|| panic!("expected text: {value:?}")).to_owned()
}

fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Sequence(values) => values.clone(),
        Value::Null => vec![],
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Mapping(_) | Value::Tagged(_) => vec![value.clone()],
    }
}

/// The logical id in `!Ref X`, `!GetAtt X.Arn` and `!Sub "${X.Arn}/…"`, else the text.
fn target(value: &Value) -> String {
    let text = text(value);
    let inner = text.strip_prefix("${").and_then(|rest| rest.split_once('}')).map_or(text.as_str(), |(inner, _)| inner);
    inner.split('.').next().unwrap_or_default().to_owned()
}

fn variables(value: &Value) -> BTreeMap<String, String> {
    let mapping = value.as_mapping().cloned().unwrap_or_default();
    // What is composed of several parts is a text, and no resource.
    let meant = |value: &Value| if plain(value).is_sequence() { "a composed text".to_owned() } else { target(value) };
    mapping.iter().map(|(name, value)| (text(name), meant(value))).collect()
}

#[test]
fn every_function_is_in_the_template_and_the_reverse() {
    let built: BTreeSet<String> = rooms("functions").into_iter().collect();
    let deployed: BTreeSet<String> = Template::read().functions().into_iter().map(|function| function.room).collect();
    assert_eq!(built, deployed, "functions/* on the left, template.yaml on the right");
}

/// From another folder SAM would build with another profile, or find no binary.
#[test]
fn every_function_is_built_in_its_own_folder() {
    let is_elsewhere = |function: &Function| function.folder != format!("functions/{}", function.room);
    let problems: Vec<String> = Template::read()
        .functions()
        .into_iter()
        .filter(is_elsewhere)
        .map(|function| format!("{}: {}", function.id, function.folder))
        .collect();
    expect_none("set `CodeUri`", &problems);
}

#[test]
fn every_function_gets_the_variables_that_it_reads_and_the_reverse() {
    let template = Template::read();
    let global = template.global_variables();
    let mut problems = Vec::new();
    let mut read_by_any = BTreeSet::new();
    for function in template.functions() {
        let wanted = function.settings();
        let given: BTreeSet<String> = function.variables.keys().cloned().collect();
        problems.extend(
            wanted
                .iter()
                .filter(|name| !given.contains(*name) && !global.contains_key(*name))
                .map(|name| format!("{} reads {name}, which it is not given", function.id)),
        );
        problems.extend(given.difference(&wanted).map(|name| format!("{} is given {name}, which it does not read", function.id)));
        read_by_any.extend(wanted);
    }
    let unread = global.keys().filter(|name| !read_by_any.contains(*name) && !READ_BY_LIBRARIES.contains(&name.as_str()));
    problems.extend(unread.map(|name| format!("all functions are given {name}, which none reads")));
    expect_none("template.yaml and the code disagree", &problems);
}

/// A name without a grant fails on AWS, a grant without a name is more than is needed.
#[test]
fn every_function_may_use_what_it_is_told_of_and_nothing_else() {
    let mut problems = Vec::new();
    for function in Template::read().functions() {
        let pairs = [
            ("tables", function.granted(|action| action.starts_with("dynamodb:")), function.named(|name| name.starts_with("TABLE_"))),
            ("queues", function.granted(|action| action == "sqs:SendMessage"), function.named(|name| name.starts_with("QUEUE_"))),
            (
                "secrets",
                function.granted(|action| action == "secretsmanager:GetSecretValue"),
                function.named(|name| name.ends_with("_SECRET_ARN")),
            ),
        ];
        for (what, granted, named) in pairs {
            problems.extend(
                granted.difference(&named).map(|resource| format!("{} may use {what} `{resource}`, of which it is not told", function.id)),
            );
            problems.extend(
                named.difference(&granted).map(|resource| format!("{} is told of {what} `{resource}`, which it may not use", function.id)),
            );
        }
        let read = function.granted(|action| action == "sqs:ReceiveMessage");
        problems.extend(
            read.difference(&function.named(|name| name.starts_with("QUEUE_")))
                .map(|queue| format!("{} may read `{queue}`, of which it is not told", function.id)),
        );
    }
    expect_none("policies and variables disagree", &problems);
}

#[test]
fn a_policy_grants_only_what_the_manifest_can_do() {
    const NEEDS: [(&str, &str); 3] = [("dynamodb:", "quillon-store"), ("secretsmanager:", "quillon-secrets"), ("sqs:", "quillon-queue")];
    let mut problems = Vec::new();
    for function in Template::read().functions() {
        let named = dependencies(&format!("functions/{}", function.room));
        for action in function.statements.iter().filter(|statement| statement.allows).flat_map(|statement| &statement.actions) {
            match NEEDS.iter().find(|(service, _)| action.starts_with(service)) {
                None => problems.push(format!("{} may `{action}`, which no room of ours does", function.id)),
                Some((_, room)) if !named.contains(*room) => {
                    problems.push(format!("{} may `{action}` without depending on {room}", function.id))
                }
                Some(_) => {}
            }
        }
    }
    expect_none("grants without a use", &problems);
}

#[test]
fn no_policy_has_a_wildcard_or_says_a_thing_twice() {
    let mut problems = Vec::new();
    for function in Template::read().functions() {
        for statement in function.statements.iter().filter(|statement| statement.allows) {
            let texts = statement.actions.iter().chain(&statement.resources);
            problems.extend(texts.filter(|text| text.contains('*')).map(|text| format!("{} may `{text}`", function.id)));
            let unique: BTreeSet<&String> = statement.actions.iter().collect();
            if unique.len() < statement.actions.len() {
                problems.push(format!("{} repeats one of {:?}", function.id, statement.actions));
            }
        }
        let sends = function
            .statements
            .iter()
            .filter(|statement| statement.actions == ["sqs:SendMessage"])
            .flat_map(|statement| &statement.resources);
        let sends: Vec<&String> = sends.collect();
        if sends.iter().collect::<BTreeSet<_>>().len() < sends.len() {
            problems.push(format!("{} repeats one of {sends:?}", function.id));
        }
    }
    expect_none("policies are exact", &problems);
}

#[test]
fn no_queue_loses_what_a_function_cannot_handle() {
    let template = Template::read();
    let mut problems = Vec::new();
    let mut sources = 0;
    for function in template.functions() {
        for source in &function.sources {
            sources += 1;
            let queue = template.queue(&source.queue);
            let name = &source.queue;
            if !source.reports_failures {
                problems.push(format!("`{name}` does not ask {} which messages failed", function.id));
            }
            let visibility = queue["VisibilityTimeout"].as_u64().unwrap_or(30);
            if visibility < VISIBILITY_FACTOR * function.timeout {
                problems.push(format!("`{name}` hides messages for {visibility} s, {} may take {} s", function.id, function.timeout));
            }
            let redrive = &queue["RedrivePolicy"];
            if redrive.is_null() {
                problems.push(format!("`{name}` has no dead-letter queue"));
                continue;
            }
            let letters = template.queue(&target(&redrive["deadLetterTargetArn"]));
            if letters["FifoQueue"] != queue["FifoQueue"] {
                problems.push(format!("`{name}` and its dead-letter queue are not of one kind"));
            }
            if letters["MessageRetentionPeriod"].as_u64() <= queue["MessageRetentionPeriod"].as_u64() {
                problems.push(format!("the dead-letter queue of `{name}` does not keep messages longer than the queue itself"));
            }
        }
    }
    assert!(sources >= 3, "the template has {sources} queues that invoke a function: this test reads it wrongly");
    expect_none("queues", &problems);
}
