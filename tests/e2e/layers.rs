//! Which way the arrows point, between crates and inside the broker.
//!
//! The lists here *are* the architecture: changing one is a design decision and reads like one in
//! review.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The broker's modules from top to bottom. A module may use what stands in a lower layer, and its
/// neighbours in its own.
const LAYERS: &[&[&str]] = &[
    &["dev"],
    &["startup", "life", "server", "socket", "connection"],
    &["api", "proxy", "commands"],
    &["app"],
    // The services, each over those it lists in its constructor.
    &["operations"],
    &["status"],
    &["forwarding"],
    &["rotations"],
    &["moves"],
    &["checks"],
    &["leases"],
    &["limits"],
    &["warnings"],
    &["minting"],
    &["secrets"],
    &["policies"],
    &["journal"],
    &["lease_record", "metrics"],
    &["config"],
    &["notify", "caller", "policy_files"],
    &["lease", "deadline"],
    &[
        "accounts",
        "api_error",
        "give_back",
        "harden",
        "looks",
        "readiness",
    ],
];

/// Effects do not know their neighbours.
const APART: &[usize] = &[19];

#[test]
fn no_module_of_the_broker_uses_one_above_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../broker/src");
    let layer_of: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, modules)| modules.iter().map(move |module| (*module, layer)))
        .collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in rust_files(&source) {
        // A test may put a service together out of all of them.
        let mut inside = file.strip_prefix(&source).unwrap().iter();
        if inside.any(|part| part == "tests.rs" || part == "tests") {
            continue;
        }
        let module = module_of(&source, &file);
        if ["main", "lib"].contains(&module.as_str()) {
            continue;
        }
        let own = *layer_of.get(module.as_str()).unwrap_or_else(|| {
            panic!("`{module}` is in no layer; give it one in tests/e2e/layers.rs")
        });
        seen.insert(module.clone());
        for used in used_modules(&fs::read_to_string(&file).unwrap()) {
            let Some(&layer) = layer_of.get(used.as_str()) else {
                continue;
            };
            let apart = layer == own && APART.contains(&layer) && used != module;
            if layer < own || apart {
                wrong.push(format!("{}: `{module}` uses `{used}`", file.display()));
            }
        }
    }
    let listed: BTreeSet<String> = layer_of.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(listed, seen, "layers of modules that do not exist");
    assert!(
        wrong.is_empty(),
        "arrows that point up or sideways:\n{}",
        wrong.join("\n")
    );
}

/// Services from top to bottom, and those that each lists in its constructor. ARCHITECTURE.md draws it.
const SERVICES: &[(&str, &[&str])] = &[
    (
        "operations",
        &["journal", "leases", "minting", "policies", "secrets"],
    ),
    (
        "status",
        &[
            "checks",
            "journal",
            "leases",
            "limits",
            "minting",
            "moves",
            "policies",
            "rotations",
            "secrets",
            "warnings",
        ],
    ),
    (
        "forwarding",
        &[
            "checks", "journal", "leases", "limits", "policies", "secrets",
        ],
    ),
    (
        "rotations",
        &[
            "checks", "journal", "leases", "minting", "policies", "secrets",
        ],
    ),
    ("moves", &["journal", "policies", "secrets"]),
    (
        "checks",
        &["journal", "limits", "policies", "secrets", "warnings"],
    ),
    (
        "leases",
        &["journal", "limits", "minting", "policies", "secrets"],
    ),
    (
        "limits",
        &["journal", "minting", "policies", "secrets", "warnings"],
    ),
    ("warnings", &["journal", "policies", "secrets"]),
    ("minting", &["journal", "policies", "secrets"]),
    ("secrets", &["journal", "policies"]),
    ("policies", &[]),
    ("journal", &[]),
];

#[test]
fn every_service_needs_only_services_below_it_and_those_that_are_written_down() {
    let names: Vec<&str> = SERVICES.iter().map(|(name, _)| *name).collect();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../broker/src");
    let architecture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md");
    let architecture = fs::read_to_string(architecture).unwrap();
    for (place, (name, needs)) in SERVICES.iter().enumerate() {
        let text = fs::read_to_string(source.join(name).join("mod.rs")).unwrap();
        let constructor = constructor_of(&text, name);
        let listed: Vec<&str> = names
            .iter()
            .filter(|other| constructor.contains(&format!("Arc<{}>", type_of(other))))
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        assert_eq!(listed, **needs, "what `{name}` lists in its constructor");
        let below = names.get(place + 1..).unwrap();
        let up: Vec<_> = needs.iter().filter(|need| !below.contains(need)).collect();
        assert!(up.is_empty(), "`{name}` needs {up:?}, above it");
        let drawn = format!("{name:<10}  {}", needs.join(" "));
        assert!(
            architecture.contains(drawn.trim_end()),
            "ARCHITECTURE.md does not draw: {drawn}"
        );
    }
}

/// The parameters of `fn new` in the service's own `impl`.
fn constructor_of<'t>(text: &'t str, name: &str) -> &'t str {
    let own = format!("impl {} {{", type_of(name));
    let own = text.split(&own);
    let new = own.skip(1).find_map(|own| own.split(" fn new(").nth(1));
    let new = new.unwrap_or_else(|| panic!("`{name}` has no constructor"));
    new.split("-> Self").next().unwrap()
}

/// `journal` is `Journal`.
fn type_of(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_uppercase() + rest
}

/// Libraries, and those of ours that each depends on, however far.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("broker-audit", &[]),
    ("broker-clock", &[]),
    ("broker-process-group", &[]),
    ("broker-protocol", &[]),
    ("broker-session-keyring", &[]),
    ("broker-tunnel", &[]),
    ("broker-https", &["broker-protocol"]),
    ("broker-manual", &["broker-protocol"]),
    ("broker-policy", &["broker-protocol"]),
    ("broker-private-files", &["broker-protocol"]),
    ("broker-secret-memory", &["broker-protocol"]),
    (
        "broker-audit-writer",
        &["broker-audit", "broker-clock", "broker-protocol"],
    ),
    (
        "broker-github",
        &[
            "broker-clock",
            "broker-https",
            "broker-policy",
            "broker-protocol",
            "broker-secret-memory",
        ],
    ),
    (
        "broker-vault",
        &[
            "broker-audit",
            "broker-audit-writer",
            "broker-clock",
            "broker-policy",
            "broker-private-files",
            "broker-protocol",
            "broker-secret-memory",
            "broker-session-keyring",
        ],
    ),
    (
        "broker-sources",
        &[
            "broker-audit",
            "broker-audit-writer",
            "broker-clock",
            "broker-https",
            "broker-private-files",
            "broker-process-group",
            "broker-protocol",
            "broker-secret-memory",
            "broker-session-keyring",
        ],
    ),
];

#[test]
fn crates_depend_only_on_those_below_them() {
    let depends = |package: &str| {
        let out = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "tree",
                "--package",
                package,
                "--edges",
                "normal",
                "--prefix",
                "none",
                "--offline",
            ])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8(out.stderr).unwrap()
        );
        let text = String::from_utf8(out.stdout).unwrap();
        text.lines()
            .filter_map(|line| line.split(' ').next())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let cli = depends("tokenctl");
    // Nor TLS: reading the certificates of the machine would triple the time a script waits.
    for banned in [
        "broker",
        "broker-policy",
        "broker-secret-memory",
        "rusqlite",
        "aes-gcm",
        "tokio",
        "rustls",
        "reqwest",
    ] {
        assert!(
            !cli.iter().any(|name| name == banned),
            "tokenctl depends on {banned}"
        );
    }
    for (library, needs) in LIBRARIES {
        let ours = |name: &String| name.starts_with("broker") || name == "tokenctl";
        let used: BTreeSet<_> = depends(library).into_iter().filter(ours).collect();
        let allowed = [*library].into_iter().chain(needs.iter().copied());
        let allowed: BTreeSet<String> = allowed.map(str::to_owned).collect();
        assert_eq!(used, allowed, "what {library} depends on");
    }
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn module_of(source: &Path, file: &Path) -> String {
    let first = file
        .strip_prefix(source)
        .unwrap()
        .components()
        .next()
        .unwrap();
    first
        .as_os_str()
        .to_str()
        .unwrap()
        .trim_end_matches(".rs")
        .to_owned()
}

/// Every `crate::NAME` outside of tests and comments.
fn used_modules(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines
        .flat_map(|line| {
            line.split("crate::")
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect::<String>()
        })
        .filter(|name| !name.is_empty())
        .collect()
}
