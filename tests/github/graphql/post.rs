//! `POST /graphql`: from the body to the answer.

use std::fmt::Display;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::Operation;
use apollo_compiler::parser::Parser;
use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::resolvers::Execution;
use apollo_compiler::response::{GraphQLError, JsonMap};
use apollo_compiler::validation::Valid;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::identify::Who;
use super::super::limits::{Draw, Resource};
use super::super::request::Request;
use super::super::state::State;
use super::call::Call;
use super::cost::Cost;
use super::error::{of_document, of_field};
use super::object::Object;
use super::schema;
use super::schema::Known;
use super::thing::Thing;
use super::touched::Touched;

/// How deep a document may be.
const DEPTH: usize = 120;

/// A document that the schema allows.
struct Asked {
    document: Valid<ExecutableDocument>,
    operation: Option<String>,
    variables: Valid<JsonMap>,
}

impl State {
    /// Carries out a document, as far as the caller may.
    pub(crate) fn post_graphql(&mut self, request: &Request, who: &Who) -> Result<Answer, Answer> {
        let path = self.settings.graphql_schema.clone();
        // An Enterprise Server has it beside its REST, not below.
        if path.is_none() || request.base.ends_with("/api/v3") {
            return Err(Answer::not_found());
        }
        let path = path.unwrap_or_default();
        let known = schema::read(&path).map_err(|reason| Answer::error(500, &reason))?;
        match who {
            Who::User(_) | Who::Installation(..) => {}
            Who::Anonymous => {
                return Err(Answer::error(
                    401,
                    "This endpoint requires you to be authenticated.",
                ));
            }
            Who::App(_) => {
                return Err(Answer::error(403, "Resource not accessible by integration"));
            }
        }
        let body = request.json()?;
        let Some(text) = body["query"].as_str() else {
            let message = "A query attribute must be specified and must be a string.";
            return Ok(refused(vec![json!({ "message": message })]));
        };
        let mut touched = Touched {
            document: text.to_owned(),
            variables: body["variables"].clone(),
            ..Touched::default()
        };
        let answer = match read(known, text, &body) {
            Ok(asked) => self.carry_out(who, known, &asked, &mut touched)?,
            Err(errors) => {
                self.draw_graphql(who, 1, 0)?;
                touched.errors = messages(&errors);
                refused(errors)
            }
        };
        self.touched = Some(touched);
        Ok(answer)
    }

    fn carry_out(
        &mut self,
        who: &Who,
        known: &'static Known,
        asked: &Asked,
        touched: &mut Touched,
    ) -> Result<Answer, Answer> {
        let Ok(operation) = asked.document.operations.get(asked.operation.as_deref()) else {
            return Ok(refused(Vec::new()));
        };
        let mut cost = Cost::of(&asked.document, operation, &asked.variables);
        let changes = operation.is_mutation();
        self.draw_graphql(who, if changes { 5 } else { 1 }, cost.points)?;
        self.left(who, &mut cost);
        let (response, (read, changed, mut errors)) = {
            let call = Call::new(self, who, known, cost);
            let root = if changes {
                Thing::Mutation
            } else {
                Thing::Query
            };
            let response = Execution::new(&known.schema, &asked.document)
                .operation(operation)
                .implementers_map(&known.implementers)
                .coerced_variable_values(&asked.variables)
                .enable_schema_introspection(true)
                .execute_sync(&Object::new(&call, root));
            (response, call.finish())
        };
        touched.read = read;
        touched.changed = changed;
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                let error = error.to_graphql_error(&asked.document.sources);
                return Ok(refused(vec![of_document(&error)]));
            }
        };
        errors.extend(response.errors.iter().map(of_field));
        touched.errors = messages(&errors);
        let mut body = json!({ "data": response.data });
        if !errors.is_empty() {
            body["errors"] = json!(errors);
        }
        Ok(answered(body))
    }

    /// Draws on the budget of GraphQL, which is its own. One that is used up is no error of HTTP.
    fn draw_graphql(&mut self, who: &Who, effort: u64, points: u64) -> Result<(), Answer> {
        if !self.settings.rate_limits {
            return Ok(());
        }
        let (principal, name) = self.principal(who);
        let draw = Draw {
            principal: &principal,
            who: &name,
            limit: self.hourly_limit(who),
            cost: effort,
            points_a_minute: self.settings.points_a_minute,
            now: self.clock.now().as_second(),
        };
        self.limits.under_secondary(&draw)?;
        match self.limits.draw_on(Resource::Graphql, points, &draw) {
            true => Ok(()),
            false => Err(refused(vec![json!({
                "type": "RATE_LIMITED",
                "message": format!("API rate limit exceeded for {name}."),
            })])),
        }
    }

    fn left(&mut self, who: &Who, cost: &mut Cost) {
        let (principal, _) = self.principal(who);
        let (limit, now) = (self.hourly_limit(who), self.clock.now().as_second());
        (cost.limit, cost.used, cost.reset) =
            self.limits.left(Resource::Graphql, &principal, limit, now);
    }
}

/// Holds the document against the schema.
fn read(known: &Known, text: &str, body: &Value) -> Result<Asked, Vec<Value>> {
    let mut parser = Parser::new().recursion_limit(DEPTH);
    let document = parser
        .parse_executable(&known.schema, text, "query")
        .and_then(|document| document.validate(&known.schema))
        .or_else(|invalid| {
            let errors = invalid.errors.iter();
            let errors = errors.filter(|error| !is_allowed(&error.error));
            let errors: Vec<Value> = errors.map(|error| of_document(&error.to_json())).collect();
            match errors.is_empty() {
                true => Ok(Valid::assume_valid(invalid.partial)),
                false => Err(errors),
            }
        })?;
    let operation = body["operationName"]
        .as_str()
        .filter(|name| !name.is_empty());
    let one = |error: GraphQLError| vec![of_document(&error)];
    let variables = {
        let chosen: &Operation = document
            .operations
            .get(operation)
            .map_err(|error| one(error.to_graphql_error(&document.sources)))?;
        let given: Option<JsonMap> = serde_json::from_value(body["variables"].clone())
            .map_err(|_no_object| vec![json!({ "message": "Variables must be an object." })])?;
        coerce_variable_values(&known.schema, chosen, &given.unwrap_or_default())
            .map_err(|error| one(error.to_graphql_error(&document.sources)))?
    };
    Ok(Asked {
        operation: operation.map(str::to_owned),
        document,
        variables,
    })
}

/// GitHub lets an issue's `state` and a pull request's stand under one name, though their types are not the same:
/// `gh issue view` asks for both.
fn is_allowed(error: &impl Display) -> bool {
    error
        .to_string()
        .starts_with("operation must not select different types using the same name")
}

fn messages(errors: &[Value]) -> Vec<String> {
    let messages = errors.iter().filter_map(|error| error["message"].as_str());
    messages.map(str::to_owned).collect()
}

fn refused(errors: Vec<Value>) -> Answer {
    answered(json!({ "errors": errors }))
}

fn answered(body: Value) -> Answer {
    Answer::json(200, body).with("x-github-media-type", "github.v4; format=json")
}
