//! Holds which folder of `src/` may import which. A path that breaks the rule is told with its place.

use std::fs;
use std::path::{Path, PathBuf};

/// From the inside out: each may import what stands beside it, and that stands above it.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("chat", &[]),
    ("cli", &["chat"]),
    ("directory", &["chat"]),
    ("control", &["chat"]),
    ("files", &["chat"]),
    ("store", &["chat", "files"]),
    ("hub", &["chat", "time", "directory", "control"]),
    ("multicast", &["chat", "time"]),
    ("net", &["chat", "time", "control", "multicast", "files"]),
    ("sim", &["chat", "multicast", "time"]),
    (
        "server",
        &[
            "chat",
            "directory",
            "control",
            "store",
            "hub",
            "multicast",
            "net",
            "files",
        ],
    ),
    ("gateway", &["chat", "control", "server"]),
    ("client", &["chat", "control", "multicast", "net", "files"]),
    ("terminal", &["chat", "cli", "client", "files"]),
];

#[test]
fn every_path_in_src_keeps_to_the_table() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut breaches = Vec::new();
    for file in rust_files(&src) {
        let source = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(&src).unwrap().to_str().unwrap();
        breaches.extend(breaches_of(name, &source));
    }
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn every_row_of_the_table_is_a_folder_or_file_of_src() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (module, _) in MAY_IMPORT {
        let is_there = src.join(module).is_dir() || src.join(format!("{module}.rs")).is_file();
        assert!(is_there, "src/ has no {module}: take it out of the table");
    }
}

#[test]
fn nothing_goes_round_in_a_circle() {
    for (row, (module, imports)) in MAY_IMPORT.iter().enumerate() {
        for import in *imports {
            let is_above = MAY_IMPORT[..row].iter().any(|(above, _)| above == import);
            assert!(is_above, "{module} may import {import}, which stands below");
        }
    }
}

#[test]
fn a_breach_is_found_and_told_with_its_line() {
    let source = "//! [`crate::server`] is only spoken of.\n\
        use crate::{\n    chat::{Room, RoomName},\n    net::{self, Interface},\n    server,\n};\n\
        fn f() { crate::store::Store::open() } // crate::client\n\
        use super::super::client;\n";
    let breaches = breaches_of("net/new.rs", source);
    assert_eq!(breaches.len(), 3, "{breaches:#?}");
    assert!(breaches[0].starts_with("src/net/new.rs:2: net must not import server"));
    assert!(breaches[1].starts_with("src/net/new.rs:7: net must not import store"));
    assert!(breaches[2].starts_with("src/net/new.rs:8: write the path from `crate::`"));
    assert!(breaches_of("gossip.rs", "")[0].contains("has no row"));
    assert!(breaches_of("main.rs", "use crate::server;").is_empty());
}

/// What is wrong in one file, `name` being its path below `src/`.
fn breaches_of(name: &str, source: &str) -> Vec<String> {
    let module = name.split('/').next().unwrap().trim_end_matches(".rs");
    if module == "main" || module == "lib" {
        return Vec::new();
    }
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(row, _)| *row == module) else {
        return vec![format!(
            "src/{name}: {module} has no row in the table of tests/layers.rs: add it"
        )];
    };
    let code = without_comments(source);
    let mut breaches = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        let line = line_number(&code, at);
        for import in first_names(&code[at + path.len()..]) {
            if import != module && !allowed.contains(&import.as_str()) {
                breaches.push(format!(
                    "src/{name}:{line}: {module} must not import {import}: move what it needs \
                     further in, or pass it as an argument (it may import: {})",
                    allowed.join(", ")
                ));
            }
        }
    }
    for (at, _) in code.match_indices("super::super::") {
        let line = line_number(&code, at);
        breaches.push(format!(
            "src/{name}:{line}: write the path from `crate::`, so that it can be checked"
        ));
    }
    breaches
}

fn line_number(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// The names with which a path after `crate::` goes on: one, or one for each branch of a group.
fn first_names(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else {
        return vec![first_name(rest)];
    };
    let mut names = vec![first_name(group)];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(first_name(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    // A comma may stand behind the last branch.
    names.retain(|name| !name.is_empty());
    names
}

/// A star is a name too: it would import everything, which no row allows.
fn first_name(text: &str) -> String {
    let is_part = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '*');
    text.trim_start().chars().take_while(is_part).collect()
}

/// The lines stay where they are.
fn without_comments(source: &str) -> String {
    let code = source.lines().map(|line| {
        let comment = line.find("//").filter(|&at| !line[..at].ends_with(':'));
        &line[..comment.unwrap_or(line.len())]
    });
    code.collect::<Vec<_>>().join("\n")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
