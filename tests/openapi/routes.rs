//! Routes: each function that `broker/src/api` lists in a `routes`, with its parameters, its answers and
//! its doc comment.
//!
//! The section “Answers” of the comment has a line for each answer, such as “200: the lease” or
//! “202 `NAME`: …” where the return type does not say which body, and names the refusals of `frame.json`
//! that this route adds to those that come with its parameters.

use std::collections::BTreeMap;

use syn::{Expr, ExprLit, FnArg, ItemFn, Lit, ReturnType, Stmt, Type};

use crate::json::Node;
use crate::schemas::Schemas;
use crate::source::{Sources, doc_lines, named, without_links};

pub(crate) struct Routes<'s> {
    api: &'s Sources,
    frame: &'s Node,
}

impl<'s> Routes<'s> {
    pub(crate) const fn new(api: &'s Sources, frame: &'s Node) -> Self {
        Self { api, frame }
    }

    pub(crate) fn paths(&self, schemas: &mut Schemas<'_>) -> Node {
        let mut paths = Node::Map(Vec::new());
        let mut ids = Vec::new();
        for module in merged(self.api.function("", "router")) {
            for (path, method, name) in routed(self.api.function(&module, "routes")) {
                let function = self.api.function(&module, &name);
                let mut operation = self.operation(function, &module, &path, schemas);
                let id = camel(&name);
                if let Some(more) = self.frame.at("operations").get(&id) {
                    operation.merge(more);
                }
                ids.push(id);
                let of_path = paths.entry(&path);
                if *of_path == Node::Null {
                    *of_path = Node::Map(Vec::new());
                }
                of_path.set(&method, operation);
            }
        }
        for (id, _) in self.frame.at("operations").fields() {
            assert!(
                ids.contains(id),
                "frame.json knows a route `{id}` that is none"
            );
        }
        paths
    }

    fn operation(
        &self,
        function: &ItemFn,
        module: &str,
        path: &str,
        schemas: &mut Schemas<'_>,
    ) -> Node {
        let id = camel(&function.sig.ident.to_string());
        let doc = Doc::of(function);
        let mut responses = BTreeMap::from([
            ("408".to_owned(), Node::reference("responses", "TooSlow")),
            (
                "429".to_owned(),
                Node::reference("responses", "TooManyConnections"),
            ),
        ]);
        let mut refuse = |status: &str, name: &str| {
            assert!(
                self.frame.at("responses").get(name).is_some(),
                "{id}: {name}"
            );
            responses.insert(status.to_owned(), Node::reference("responses", name));
        };
        let mut parameters = Vec::new();
        let mut body = None;
        let mut for_operators = false;
        let mut segments = path.split('/').filter_map(|segment| {
            let name = segment.strip_prefix('{')?;
            name.strip_suffix('}')
        });
        let mut in_path = |schema: Node| {
            let name = segments.next().expect("a segment for each name");
            Node::map([
                ("name", name.into()),
                ("in", "path".into()),
                ("required", true.into()),
                ("schema", schema),
            ])
        };
        for argument in &function.sig.inputs {
            let FnArg::Typed(argument) = argument else {
                panic!("{id} is a method")
            };
            let (extractor, inner) = named(&argument.ty);
            match extractor.as_str() {
                "State" | "Extension" => {}
                "Asking" => refuse("403", "CallerGone"),
                "Operator" => {
                    for_operators = true;
                    refuse("403", "OperatorsOnly");
                }
                "Named" => {
                    parameters.push(in_path(schemas.of(inner[0])));
                    refuse("400", "BadName");
                }
                "Path" => {
                    let Type::Tuple(names) = inner[0] else {
                        panic!("{id}: a path of several names is a tuple")
                    };
                    for name in &names.elems {
                        parameters.push(in_path(schemas.of(name)));
                    }
                    refuse("400", "BadName");
                }
                "After" => {
                    parameters.push(Node::reference("parameters", "After"));
                    refuse("400", "BadRequest");
                }
                "Query" => {
                    parameters.extend(schemas.parameters(&named(inner[0]).0));
                    refuse("400", "BadRequest");
                }
                "Body" | "SecretBody" => {
                    body = Some(named(inner[0]).0);
                    refuse("400", "BadRequest");
                    refuse("413", "TooLarge");
                }
                other => panic!("{id}: the parameter `{other}` is not understood"),
            }
        }
        assert_eq!(
            segments.next(),
            None,
            "{id}: each name in its path is taken"
        );
        for (status, name) in &doc.refusals {
            refuse(status, name);
        }
        let returned = returned(function);
        for answer in &doc.answers {
            let response = self.answer(&id, answer, returned.as_deref(), schemas);
            responses.insert(answer.status.clone(), response);
        }
        let mut description = doc.description;
        if for_operators {
            let space = if description.is_empty() { "" } else { " " };
            description.push_str(&format!("{space}Operators only."));
        }
        let tag = match module {
            _ if for_operators => "operators",
            "leases" | "purposes" => "leases",
            _ => "broker",
        };
        let mut operation = Node::map([
            ("tags", vec![tag].into()),
            ("operationId", id.as_str().into()),
            ("summary", doc.summary.into()),
        ]);
        if !description.is_empty() {
            operation.set("description", description);
        }
        if !parameters.is_empty() {
            operation.set("parameters", Node::List(parameters));
        }
        if let Some(body) = body {
            let mut content = Node::map([("schema", schemas.reference(&body))]);
            if let Some(examples) = self.frame.at("requests").get(&body) {
                content.set("examples", examples.clone());
            }
            let required = !schemas.may_be_empty(&body);
            let body = Node::map([
                ("required", required.into()),
                ("content", Node::map([("application/json", content)])),
            ]);
            operation.set("requestBody", body);
        }
        operation.set("responses", Node::Map(responses.into_iter().collect()));
        operation
    }

    fn answer(
        &self,
        id: &str,
        answer: &Answer,
        returned: Option<&str>,
        schemas: &mut Schemas<'_>,
    ) -> Node {
        let mut response = Node::map([("description", answer.text.as_str().into())]);
        let kind = answer.kind.as_deref().or(returned);
        let (media, mut content) = match kind {
            Some("NoContent") => return response,
            Some("application/json") => ("application/json", schema_of_type("object")),
            Some(media) if media.contains('/') => (media, schema_of_type("string")),
            Some(name) => {
                let schema = schemas.reference(name);
                ("application/json", Node::map([("schema", schema)]))
            }
            None => panic!("{id}: neither the return type nor its comment says which body"),
        };
        let examples = self.frame.at("answers");
        let own = format!("{id} {}", answer.status);
        let example = examples.get(&own).or_else(|| examples.get(kind?));
        if let Some(example) = example {
            content.set("example", example.clone());
        }
        response.set("content", Node::map([(media, content)]));
        response
    }
}

fn schema_of_type(kind: &str) -> Node {
    Node::map([("schema", Node::map([("type", kind.into())]))])
}

/// A route's doc comment.
struct Doc {
    summary: String,
    description: String,
    answers: Vec<Answer>,
    refusals: Vec<(String, String)>,
}

struct Answer {
    status: String,
    kind: Option<String>,
    text: String,
}

impl Doc {
    fn of(function: &ItemFn) -> Self {
        let name = &function.sig.ident;
        let text = doc_lines(&function.attrs).join("\n");
        let (prose, answers) = text
            .split_once("# Answers\n")
            .unwrap_or_else(|| panic!("the comment of `{name}` has no section “Answers”"));
        let mut paragraphs = prose.trim().split("\n\n");
        let one_line =
            |text: &str| without_links(&text.split_whitespace().collect::<Vec<_>>().join(" "));
        let summary = one_line(paragraphs.next().unwrap());
        let description: Vec<String> = paragraphs.map(one_line).collect();
        let mut doc = Self {
            summary: summary.trim_end_matches('.').to_owned(),
            description: description.join("\n\n"),
            answers: Vec::new(),
            refusals: Vec::new(),
        };
        for item in answers.trim().trim_start_matches("- ").split("\n- ") {
            doc.add(&one_line(item));
        }
        assert!(!doc.answers.is_empty(), "`{name}` has no answer");
        doc
    }

    fn add(&mut self, item: &str) {
        let Some((head, text)) = item.split_once(": ") else {
            for refusal in item.split(", ") {
                let (status, name) = refusal.split_once(' ').expect("a status and a name");
                let name = name.trim_matches('`').to_owned();
                self.refusals.push((status.to_owned(), name));
            }
            return;
        };
        let (status, kind) = match head.split_once(' ') {
            Some((status, kind)) => (status, Some(kind.trim_matches('`').to_owned())),
            None => (head, None),
        };
        let mut letters = text.chars();
        let first = letters.next().expect("a text").to_uppercase();
        self.answers.push(Answer {
            status: status.to_owned(),
            kind,
            text: format!("{first}{}.", letters.as_str()),
        });
    }
}

/// What body a function's return type names; `None` where it says nothing of it.
fn returned(function: &ItemFn) -> Option<String> {
    let ReturnType::Type(_, ty) = &function.sig.output else {
        return None;
    };
    body_of(ty)
}

fn body_of(ty: &Type) -> Option<String> {
    if let Type::Tuple(parts) = ty {
        return parts.elems.iter().find_map(body_of);
    }
    let (name, inner) = named(ty);
    match name.as_str() {
        "Result" => body_of(inner[0]),
        "Json" | "Listed" => Some(named(inner[0]).0),
        "NoContent" => Some(name),
        "Response" | "StatusCode" => None,
        other => panic!("the return type `{other}` is not understood"),
    }
}

/// The modules whose routes the router merges, in this order.
fn merged(router: &ItemFn) -> Vec<String> {
    let calls = calls(router);
    let merged = calls.iter().filter(|(method, _)| method == "merge");
    let modules = merged.map(|(_, arguments)| match arguments[0] {
        Expr::Call(call) => path_of(&call.func)[0].clone(),
        _ => panic!("`merge` takes `MODULE::routes()`"),
    });
    modules.collect()
}

/// Path, method and function of each route.
fn routed(routes: &ItemFn) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (called, arguments) in calls(routes) {
        assert_eq!(called, "route");
        let Expr::Lit(ExprLit {
            lit: Lit::Str(path),
            ..
        }) = arguments[0]
        else {
            panic!("a route's path is a literal")
        };
        let mut handlers = chain(arguments[1]);
        handlers.reverse();
        for (method, arguments) in handlers {
            let function = path_of(arguments[0]).pop().unwrap();
            found.push((path.value(), method, function));
        }
    }
    found
}

/// The calls of the chain that a function returns, without the one it begins with.
fn calls(function: &ItemFn) -> Vec<(String, Vec<&Expr>)> {
    let Some(Stmt::Expr(chained, None)) = function.block.stmts.last() else {
        panic!("`{}` returns a chain of calls", function.sig.ident)
    };
    let mut calls = chain(chained);
    let first = calls.pop();
    assert_eq!(first.map(|(name, _)| name).as_deref(), Some("new"));
    calls.reverse();
    calls
}

/// The last call comes first.
fn chain(expression: &Expr) -> Vec<(String, Vec<&Expr>)> {
    match expression {
        Expr::MethodCall(call) => {
            let own = (call.method.to_string(), call.args.iter().collect());
            let mut calls = vec![own];
            calls.extend(chain(&call.receiver));
            calls
        }
        Expr::Call(call) => {
            let name = path_of(&call.func).pop().unwrap();
            vec![(name, call.args.iter().collect())]
        }
        _ => panic!("a chain of calls was expected"),
    }
}

fn path_of(expression: &Expr) -> Vec<String> {
    let Expr::Path(path) = expression else {
        panic!("a path was expected")
    };
    let segments = path.path.segments.iter();
    segments.map(|segment| segment.ident.to_string()).collect()
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut id = words.next().unwrap().to_owned();
    for word in words {
        let mut letters = word.chars();
        id.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        id.push_str(letters.as_str());
    }
    id
}
