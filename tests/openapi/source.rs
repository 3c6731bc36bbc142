//! Rust files: their items, doc comments and serde attributes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use syn::{
    Attribute, Expr, ExprLit, GenericArgument, Item, ItemFn, Lit, LitStr, Meta, PathArguments, Type,
};

/// The items of a directory's files, by module: the file's path without `.rs` and `mod`.
pub(crate) struct Sources(BTreeMap<String, Vec<Item>>);

impl Sources {
    pub(crate) fn read(directory: &Path) -> Self {
        let mut files = BTreeMap::new();
        read_into(&mut files, directory, "");
        Self(files)
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.0.values().flatten()
    }

    pub(crate) fn function(&self, module: &str, name: &str) -> &ItemFn {
        let items = self.0.get(module).into_iter().flatten();
        let mut functions = items.filter_map(|item| match item {
            Item::Fn(function) if function.sig.ident == name => Some(function),
            _ => None,
        });
        functions
            .next()
            .unwrap_or_else(|| panic!("there is no function `{name}` in `{module}`"))
    }
}

fn read_into(files: &mut BTreeMap<String, Vec<Item>>, directory: &Path, module: &str) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let name = match (module, stem) {
            (module, "mod") => module.to_owned(),
            ("", stem) => stem.to_owned(),
            (module, stem) => format!("{module}::{stem}"),
        };
        if path.is_dir() {
            read_into(files, &path, &name);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
            files.insert(name, file.items);
        }
    }
}

/// The lines of a doc comment.
pub(crate) fn doc_lines(attributes: &[Attribute]) -> Vec<String> {
    let docs = attributes.iter().filter_map(|attribute| {
        let Meta::NameValue(pair) = &attribute.meta else {
            return None;
        };
        let text = pair.path.is_ident("doc").then(|| text_of(&pair.value))?;
        Some(text.strip_prefix(' ').unwrap_or(&text).to_owned())
    });
    docs.collect()
}

fn text_of(expression: &Expr) -> String {
    match expression {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => text.value(),
        _ => panic!("a text was expected"),
    }
}

/// The first paragraph of a doc comment: what follows is for those who read the code.
pub(crate) fn first_paragraph(attributes: &[Attribute]) -> String {
    let lines = doc_lines(attributes);
    let first: Vec<String> = lines
        .into_iter()
        .take_while(|line| !line.is_empty())
        .collect();
    without_links(&first.join(" "))
}

/// A link to a name becomes the name.
pub(crate) fn without_links(text: &str) -> String {
    text.replace("[`", "`").replace("`]", "`")
}

/// The words of a `#[serde(…)]`, with their values.
pub(crate) fn serde_words(attributes: &[Attribute]) -> BTreeMap<String, Option<String>> {
    let mut words = BTreeMap::new();
    for attribute in attributes {
        if !attribute.path().is_ident("serde") {
            continue;
        }
        let read = attribute.parse_nested_meta(|meta| {
            let word = meta.path.require_ident()?.to_string();
            let value = match meta.value() {
                Ok(value) => Some(value.parse::<LitStr>()?.value()),
                Err(_) => None,
            };
            words.insert(word, value);
            Ok(())
        });
        read.unwrap();
    }
    words
}

/// The last name of a type's path, and the types in its angle brackets.
pub(crate) fn named(ty: &Type) -> (String, Vec<&Type>) {
    let Type::Path(path) = ty else {
        panic!("a type of no name")
    };
    let last = path.path.segments.last().unwrap();
    let inner = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => {
            let types = arguments.args.iter().filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            });
            types.collect()
        }
        _ => Vec::new(),
    };
    (last.ident.to_string(), inner)
}
