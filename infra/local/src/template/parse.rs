//! From text to [`Template`]: sections, parameters, conditions, and the names of resources.

use std::collections::BTreeMap;

use super::error::{Path, TemplateError};
use super::evaluate::{Scope, Value};
use super::fields::Fields;
use super::model::{Parameter, Template};
use super::node::Node;
use super::parameters::Parameters;
use super::resources::{self, Kind};

/// A resource as the file has it.
struct Declared {
    logical_id: String,
    kind: Kind,
    path: Path,
    properties: Node,
    metadata: Node,
}

impl Template {
    /// Reads a template and fills in its parameters.
    ///
    /// # Errors
    ///
    /// If the text is not YAML, uses anything outside the closed lists of this executor, or a parameter is missing,
    /// unknown or not allowed.
    pub fn parse(source: &str, parameters: &Parameters) -> Result<Self, TemplateError> {
        let yaml = serde_yaml_ng::from_str(source)?;
        let mut sections = Sections::of(Node::of_yaml(&yaml, &Path::default())?)?;
        for ignored in ["AWSTemplateFormatVersion", "Transform", "Description", "Metadata"] {
            sections.take(ignored);
        }
        let mut scope = Scope::default();
        let declared_parameters = read_parameters(&mut sections, parameters, &mut scope)?;
        for (name, node) in sections.entries("Conditions")? {
            let value = scope.condition(&node, &Path::root("Conditions").key(&name))?;
            scope.conditions.insert(name, value);
        }
        let globals = sections.entries("Globals")?;
        if let Some((name, _)) = globals.iter().find(|(name, _)| name != "Function") {
            return Err(Path::root("Globals").key(name).error("is not supported; supported is Function"));
        }
        let globals = globals.into_iter().next().map(|(_, node)| node);
        let resources = declared_resources(&mut sections, globals.as_ref(), &scope)?;
        for resource in &resources {
            let names = resources::names(&scope, &resource.logical_id, resource.kind, &resource.properties, &resource.path)?;
            scope.resources.insert(resource.logical_id.clone(), names);
        }
        let outputs = read_outputs(&mut sections, &scope)?;
        sections.finish()?;
        let mut template = Self {
            parameters: declared_parameters,
            functions: Vec::new(),
            queues: Vec::new(),
            tables: Vec::new(),
            secrets: Vec::new(),
            outputs,
        };
        for resource in resources {
            let path = resource.path.key("Properties");
            let properties = Fields::of(scope.value(&resource.properties, &path)?, &path)?;
            let metadata = scope.value(&resource.metadata, &resource.path.key("Metadata"))?;
            resources::read(&mut template, &resource.logical_id, resource.kind, properties, metadata)?;
        }
        // A dead-letter queue has to exist before the queue that names it.
        template.queues.sort_by_key(|queue| queue.dead_letter.is_some());
        resources::check(&template)?;
        Ok(template)
    }
}

/// The top level of the file.
struct Sections(Vec<(String, Node)>);

impl Sections {
    fn of(node: Node) -> Result<Self, TemplateError> {
        match node {
            Node::Map(sections) => Ok(Self(sections)),
            _ => Err(Path::root("template").error("must be a map of sections")),
        }
    }

    fn take(&mut self, name: &str) -> Option<Node> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(index).1)
    }

    fn entries(&mut self, name: &str) -> Result<Vec<(String, Node)>, TemplateError> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Node::Map(entries)) => Ok(entries),
            Some(_) => Err(Path::root(name).error("must be a map")),
        }
    }

    fn finish(self) -> Result<(), TemplateError> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Path::root(name)
                .error("is a section that is not supported; supported are Parameters, Conditions, Globals, Resources, Outputs")),
        }
    }
}

fn read_parameters(sections: &mut Sections, given: &Parameters, scope: &mut Scope) -> Result<Vec<Parameter>, TemplateError> {
    let mut declared = Vec::new();
    for (name, node) in sections.entries("Parameters")? {
        let path = Path::root("Parameters").key(&name);
        let mut fields = Fields::of(Scope::default().value(&node, &path)?, &path)?;
        let wrong = |problem: String| TemplateError::Parameter { name: name.clone(), problem };
        let kind = fields.require("Type")?;
        if kind != "String" && kind != "Number" {
            return Err(path.key("Type").error(format!("`{kind}` is not supported; supported are String, Number")));
        }
        let default = fields.text("Default")?;
        let allowed = fields.texts("AllowedValues")?;
        let no_echo = fields.flag("NoEcho")?.unwrap_or(false);
        let description = fields.text("Description")?.unwrap_or_default();
        // Patterns and lengths are checked by CloudFormation; here values come from our own command line.
        fields.finish(&["AllowedPattern", "ConstraintDescription", "MinLength", "MaxLength", "MinValue", "MaxValue"])?;
        let value = given.value(&name).map(str::to_owned).or_else(|| default.clone());
        let value = value.ok_or_else(|| wrong("has no value and no default".into()))?;
        if !allowed.is_empty() && !allowed.contains(&value) {
            return Err(wrong(format!("must be one of {}", allowed.join(", "))));
        }
        if kind == "Number" && value.parse::<f64>().is_err() {
            return Err(wrong("must be a number".into()));
        }
        scope.parameters.insert(name.clone(), value);
        declared.push(Parameter { name, required: default.is_none(), no_echo, description });
    }
    if let Some(name) = given.names().find(|name| !scope.parameters.contains_key(*name)) {
        let problem = "is not declared in the template".to_owned();
        return Err(TemplateError::Parameter { name: name.to_owned(), problem });
    }
    Ok(declared)
}

/// Resources whose condition holds, with `Globals` applied.
fn declared_resources(sections: &mut Sections, globals: Option<&Node>, scope: &Scope) -> Result<Vec<Declared>, TemplateError> {
    let mut resources = Vec::new();
    for (logical_id, node) in sections.entries("Resources")? {
        let path = Path::root("Resources").key(&logical_id);
        let Node::Map(attributes) = node else { return Err(path.error("must be a map")) };
        let mut kind = None;
        let mut properties = Node::Map(Vec::new());
        let mut metadata = Node::Map(Vec::new());
        let mut exists = true;
        for (name, value) in attributes {
            match (name.as_str(), value) {
                ("Type", Node::Text(text)) => kind = Some(Kind::parse(&text, &path)?),
                ("Properties", value) => properties = value,
                ("Metadata", value) => metadata = value,
                ("Condition", Node::Text(condition)) => exists = scope.named_condition(&condition, &path)?,
                ("DependsOn" | "DeletionPolicy" | "UpdateReplacePolicy", _) => {}
                (other, _) => {
                    return Err(path.key(other).error(
                        "is not supported; supported are Type, Properties, Metadata, Condition, DependsOn, \
                         DeletionPolicy, UpdateReplacePolicy",
                    ));
                }
            }
        }
        let kind = kind.ok_or_else(|| path.key("Type").error("is missing"))?;
        if let (Kind::Function, Some(globals)) = (kind, globals) {
            properties = properties.over(globals);
        }
        if exists {
            resources.push(Declared { logical_id, kind, path, properties, metadata });
        }
    }
    Ok(resources)
}

fn read_outputs(sections: &mut Sections, scope: &Scope) -> Result<BTreeMap<String, String>, TemplateError> {
    let mut outputs = BTreeMap::new();
    for (name, node) in sections.entries("Outputs")? {
        let path = Path::root("Outputs").key(&name);
        let mut fields = Fields::of(scope.value(&node, &path)?, &path)?;
        let value = fields.take("Value").ok_or_else(|| path.key("Value").error("is missing"))?;
        fields.finish(&["Description", "Export", "Condition"])?;
        match value {
            Value::Text(text) => outputs.insert(name, text),
            Value::Nothing | Value::List(_) | Value::Map(_) => {
                return Err(path.key("Value").error("must be a single value"));
            }
        };
    }
    Ok(outputs)
}
