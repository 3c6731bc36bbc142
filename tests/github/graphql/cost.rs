//! What a document costs: a point for each hundred requests that its connections would need, and one at least.
//!
//! Source: GitHub documentation, “Rate limits and query limits for the GraphQL API”.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::Value;
use apollo_compiler::executable::{Field, Operation, Selection};
use apollo_compiler::response::JsonMap;

/// What a document costs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) points: u64,
    /// Most objects that it may give.
    pub(super) nodes: u64,
    /// What is left after it, in the same numbers as the headers.
    pub(super) limit: u64,
    pub(super) used: u64,
    pub(super) reset: i64,
}

/// Counts up to here: GraphQL's numbers have 32 bits.
const ENOUGH: u64 = 1 << 30;

impl Cost {
    pub(super) fn of(
        document: &ExecutableDocument,
        operation: &Operation,
        variables: &JsonMap,
    ) -> Self {
        let mut counted = Counted {
            document,
            variables,
            requests: 0,
            nodes: 0,
            steps: 0,
        };
        counted.walk(&operation.selection_set.selections, 1);
        Self {
            points: (counted.requests / 100).max(1),
            nodes: counted.nodes,
            ..Self::default()
        }
    }
}

struct Counted<'a> {
    document: &'a ExecutableDocument,
    variables: &'a JsonMap,
    requests: u64,
    nodes: u64,
    steps: u64,
}

impl<'a> Counted<'a> {
    fn walk(&mut self, selections: &'a [Selection], times: u64) {
        for selection in selections {
            self.steps += 1;
            // Fragments of fragments may be many more than the document has letters.
            if self.steps > 100_000 {
                return;
            }
            match selection {
                Selection::Field(field) => {
                    let times = match self.page(field) {
                        Some(page) => {
                            self.requests = (self.requests + times).min(ENOUGH);
                            let nodes = times.saturating_mul(page).min(ENOUGH);
                            self.nodes = (self.nodes + nodes).min(ENOUGH);
                            nodes
                        }
                        None => times,
                    };
                    self.walk(&field.selection_set.selections, times);
                }
                Selection::InlineFragment(inline) => {
                    self.walk(&inline.selection_set.selections, times);
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.fragments.get(&spread.fragment_name) {
                        self.walk(&fragment.selection_set.selections, times);
                    }
                }
            }
        }
    }

    fn page(&self, field: &Field) -> Option<u64> {
        let given = ["first", "last"].into_iter().find_map(|name| {
            let argument = field.arguments.iter().find(|one| one.name == name)?;
            match &*argument.value {
                Value::Int(number) => u64::try_from(number.try_to_i32().ok()?).ok(),
                Value::Variable(name) => self.variables.get(name.as_str())?.as_u64(),
                _ => None,
            }
        });
        given.map(|number| number.clamp(1, 100))
    }
}
