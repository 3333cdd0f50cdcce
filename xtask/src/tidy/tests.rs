//! The rules over trees that are kept as data: a file of `tests/data/tidy` holds files and, at its
//! end, the faults in them.

use std::{fs, path::Path};

use super::{
    Fault, Packages, Tree, clock, copies, dependencies, errors, imports, layout, names,
    public_types, published, size, snapshots, sources, unused, width, words,
};

/// Checks the tree in a file of `tests/data/tidy` by one rule.
#[track_caller]
fn check(name: &str, rule: impl Fn(&Tree) -> Vec<Fault>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tidy").join(name);
    let data = fs::read_to_string(&path).unwrap();
    let (files, expected) = data.split_once("\n=== faults\n").unwrap();
    let files = files.split("--- ").skip(1).map(|file| {
        let (path, text) = file.split_once('\n').unwrap();
        (path.to_owned(), text.lines().map(line).collect())
    });
    let mut faults = rule(&Tree::of(files));
    faults.sort();
    let faults: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
    assert_eq!(faults, expected, "{name}: what comes out is not what the file says");
}

/// Returns a line of a file in data; `@repeat N TEXT` is N lines.
fn line(line: &str) -> String {
    let repeated = line.strip_prefix("@repeat ").and_then(|rest| rest.split_once(' '));
    match repeated {
        Some((times, text)) => format!("{text}\n").repeat(times.parse().unwrap()),
        None => format!("{line}\n"),
    }
}

#[test]
fn sources_have_headers_and_hide_no_failure() {
    check("sources.txt", sources::check);
}

#[test]
fn files_are_short() {
    check("size.txt", size::check);
}

#[test]
fn the_clock_of_a_browser_is_used() {
    check("clock.txt", clock::check);
}

#[test]
fn copies_are_the_same() {
    check("copies.txt", copies::check);
}

#[test]
fn errors_are_worded_alike() {
    check("errors.txt", errors::check);
}

#[test]
fn modules_do_not_import_each_other() {
    check("imports.txt", imports::check);
}

#[test]
fn prose_wraps() {
    check("width.txt", width::check);
}

#[test]
fn prose_is_plain() {
    check("words.txt", words::check);
}

#[test]
fn public_signatures_name_listed_crates() {
    check("public_types.txt", public_types::check);
}

#[test]
fn snapshots_belong_to_tests() {
    check("snapshots.txt", snapshots::check);
}

#[test]
fn the_layout_is_the_shape_asked_for() {
    check("layout.txt", layout::check);
}

#[test]
fn readme_and_ci_agree() {
    check("commands.txt", layout::check);
}

#[test]
fn the_star_holds() {
    check("dependencies.txt", |tree| {
        let metadata = tree.file("metadata.json").unwrap();
        let packages: Packages = serde_json::from_str(&metadata.text).unwrap();
        dependencies::check(&packages, tree)
    });
}

#[test]
fn a_registry_can_show_what_is_published() {
    check("published.txt", |tree| {
        let metadata = tree.file("metadata.json").unwrap();
        let packages: Packages = serde_json::from_str(&metadata.text).unwrap();
        published::check(&packages, tree)
    });
}

#[test]
fn dependencies_are_used() {
    check("unused.txt", |tree| {
        let metadata = tree.file("metadata.json").unwrap();
        let packages: Packages = serde_json::from_str(&metadata.text).unwrap();
        unused::check(&packages, tree)
    });
}

/// The rule's own data would break it.
#[test]
fn no_machine_is_named() {
    let text = format!("//! Reads {0}work/main.\nlet path = \"{0}tmp/x\";\n", '/');
    let lock = "source = \"registry+https://mirror.example/index\"\n".to_owned();
    let tree = Tree::of([("xtask/src/a.rs".to_owned(), text), ("Cargo.lock".to_owned(), lock)]);
    let faults: Vec<_> = names::check(&tree).iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            format!("xtask/src/a.rs:1: `{}work/` is a folder of one machine; name it from the workspace's folder", '/'),
            "Cargo.lock:1: the package does not come from the public registry; depend on a published version".to_owned(),
        ]
    );
}

#[test]
fn licences_are_read_as_expressions() {
    for (licence, is_allowed) in [
        ("MIT OR Apache-2.0", true),
        ("MIT/Apache-2.0", true),
        ("MIT OR GPL-3.0-only", true),
        ("MIT AND GPL-3.0-only", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("GPL-3.0-only", false),
        ("no licence at all", false),
    ] {
        let allowed = ["Apache-2.0", "MIT", "Unicode-3.0"];
        assert_eq!(dependencies::is_allowed(licence, &allowed), is_allowed, "{licence}");
    }
}
