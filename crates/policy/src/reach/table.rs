//! GitHub's operations, as a tree over the segments of their paths.
//!
//! The table is made by `tests/reach` from GitHub's OpenAPI description and a list of what each operation
//! needs; its grammar stands at its top. It is parsed once, into slices of the text itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::path::Reading;
use super::said::Said;
use super::{GithubHost, Operation};

/// The table of api.github.com.
pub(super) static OPERATIONS: LazyLock<Table> =
    LazyLock::new(|| Table::new(include_str!("operations.tsv")));

/// The operations of one host.
#[derive(Debug)]
pub(super) struct Table(Node);

/// What follows one beginning of a path.
#[derive(Debug, Default)]
struct Node {
    /// Segments that are spelled so.
    literals: BTreeMap<&'static str, Self>,
    /// Segments that stand for a value.
    parameters: BTreeMap<Parameter, Self>,
    /// The operations whose path ends here, with what the table says of them.
    operations: Vec<(Operation, Said)>,
}

/// A segment in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    form: Form,
}

/// What a parameter's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// `{name}`: one segment.
    Segment,
    /// `{name:n}`: one segment of digits.
    Number,
    /// `{name:+}`: one segment or several, such as a file's path.
    Segments,
}

/// An operation that a reading of a path may mean.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) operation: Operation,
    pub(super) said: Said,
    /// The values of its parameters, in the order of the path.
    pub(super) values: Vec<(&'static str, String)>,
}

impl Match {
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.values.iter();
        values
            .find(|(parameter, _)| *parameter == name)
            .map(|(_, value)| value.as_str())
    }

    /// Assets are uploaded to a host of their own, and nothing else is.
    pub(super) fn is_for(&self, host: GithubHost) -> bool {
        match host {
            GithubHost::Api => !self.said.uploads,
            GithubHost::Uploads => self.said.uploads,
            GithubHost::Web => false,
        }
    }
}

/// Which parameters may take several segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spans {
    /// Those that do at GitHub.
    Documented,
    /// All but owners and repositories: in a decoded path a slash may be part of any value.
    Any,
}

impl Table {
    fn new(text: &'static str) -> Self {
        let mut root = Node::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut columns = line.split('\t');
            let Some(template) = columns.next() else {
                continue;
            };
            let mut node = &mut root;
            for segment in template.split('/').filter(|segment| !segment.is_empty()) {
                node = node.child(segment);
            }
            for (methods, need) in columns.filter_map(|column| column.split_once(' ')) {
                let said = Said::parse(need);
                let operations = methods
                    .split('+')
                    .map(|method| Operation { method, template });
                node.operations
                    .extend(operations.map(|operation| (operation, said)));
            }
        }
        Self(root)
    }

    /// Every operation, with what the table says of it.
    pub(super) fn all(&self) -> impl Iterator<Item = (Operation, Said)> {
        let mut open = vec![&self.0];
        let nodes = std::iter::from_fn(move || {
            let node = open.pop()?;
            open.extend(node.literals.values().chain(node.parameters.values()));
            Some(node)
        });
        nodes.flat_map(|node| node.operations.iter().copied())
    }

    /// The operations that this reading of a path means: the one that is spelled so, segment by segment, or
    /// else all in which some value takes several segments.
    pub(super) fn matches(&self, method: &str, reading: &Reading<'_>, spans: Spans) -> Vec<Match> {
        let mut walk = Walk {
            method,
            spans: None,
            values: Vec::new(),
            found: Vec::new(),
        };
        walk.from(&self.0, reading);
        if walk.found.is_empty() {
            walk.spans = Some(spans);
            walk.from(&self.0, reading);
        }
        walk.found
    }
}

impl Node {
    fn child(&mut self, segment: &'static str) -> &mut Self {
        match Parameter::parse(segment) {
            Some(parameter) => self.parameters.entry(parameter).or_default(),
            None => self.literals.entry(segment).or_default(),
        }
    }
}

impl Parameter {
    pub(super) fn parse(segment: &'static str) -> Option<Self> {
        let inner = segment.strip_prefix('{')?.strip_suffix('}')?;
        let (name, form) = match inner.split_once(':') {
            Some((name, "n")) => (name, Form::Number),
            Some((name, _)) => (name, Form::Segments),
            None => (inner, Form::Segment),
        };
        Some(Self { name, form })
    }

    fn takes(self, value: &str) -> bool {
        self.form != Form::Number || value.bytes().all(|byte| byte.is_ascii_digit())
    }

    fn may_span(self, spans: Option<Spans>) -> bool {
        match (spans, self.form) {
            (None, _) | (_, Form::Number) => false,
            (Some(_), Form::Segments) => true,
            (Some(Spans::Documented), Form::Segment) => false,
            (Some(Spans::Any), Form::Segment) => !WHOSE.contains(&self.name),
        }
    }
}

/// The parameters that say whose something is. Their values are plain.
const WHOSE: [&str; 6] = [
    "owner",
    "repo",
    "org",
    "username",
    "template_owner",
    "template_repo",
];

/// One search through the tree.
struct Walk<'r> {
    method: &'r str,
    /// `None`: each parameter takes one segment, and a literal segment goes before a value.
    spans: Option<Spans>,
    values: Vec<(&'static str, String)>,
    found: Vec<Match>,
}

impl Walk<'_> {
    fn from(&mut self, node: &Node, rest: &[Cow<'_, str>]) {
        let Some((first, after)) = rest.split_first() else {
            let mut here = node.operations.iter();
            if let Some((operation, said)) = here.find(|(there, _)| there.method == self.method) {
                self.found.push(Match {
                    operation: *operation,
                    said: *said,
                    values: self.values.clone(),
                });
            }
            return;
        };
        let before = self.found.len();
        if let Some(node) = node.literals.get(&**first) {
            self.from(node, after);
        }
        if self.spans.is_none() && self.found.len() > before {
            return;
        }
        for (parameter, node) in &node.parameters {
            let most = if parameter.may_span(self.spans) {
                rest.len()
            } else {
                1
            };
            for taken in 1..=most {
                let (value, after) = rest.split_at(taken);
                let value = value.join("/");
                if parameter.takes(&value) {
                    self.values.push((parameter.name, value));
                    self.from(node, after);
                    self.values.pop();
                }
            }
        }
    }
}
