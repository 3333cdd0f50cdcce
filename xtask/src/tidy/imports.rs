//! Circular imports: no two modules of a package may import each other.

use std::collections::{BTreeMap, HashSet};

use super::{
    fault::Fault,
    tree::{File, Tree},
};

/// An import of one module by another of the same package.
struct Import<'t> {
    file: &'t File,
    line: usize,
    text: String,
}

pub(crate) fn check(tree: &Tree) -> Vec<Fault> {
    let mut packages: BTreeMap<&str, Vec<(Vec<&str>, &File)>> = BTreeMap::new();
    for file in tree.files().filter(|file| file.is_source()) {
        if let Some((package, module)) = module_of(&file.path) {
            packages.entry(package).or_default().push((module, file));
        }
    }
    packages.values().flat_map(|files| check_package(files)).collect()
}

fn check_package(files: &[(Vec<&str>, &File)]) -> Vec<Fault> {
    // A declared module can be a file of another package, by its `path`.
    let declared: Vec<Vec<&str>> =
        files.iter().flat_map(|(module, file)| children(module, file)).collect();
    let modules = files.iter().map(|(module, _)| module).chain(&declared);
    let modules: HashSet<&[&str]> = modules.map(Vec::as_slice).collect();
    let mut imports: BTreeMap<(String, String), Import<'_>> = BTreeMap::new();
    for (module, file) in files {
        let declared = use_trees(&file.text).into_iter().flat_map(|(line, tree)| {
            leaves(&tree).into_iter().map(move |path| (line, "use ", path))
        });
        let inline = inline_paths(&file.text).into_iter().map(|(line, path)| (line, "", path));
        for (line, keyword, path) in declared.chain(inline) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let Some(target) = resolve(&path, module, &modules) else { continue };
            if target != *module {
                let names = (name(module), name(&target));
                let text = format!("{keyword}{}", path.join("::"));
                imports.entry(names).or_insert(Import { file, line, text });
            }
        }
    }
    let circular = imports.iter().filter_map(|((from, to), import)| {
        let back = imports.get(&(to.clone(), from.clone())).filter(|_| from < to)?;
        let what = format!(
            "`{from}` and `{to}` import each other: `{}` here, `{}` in {}:{}",
            import.text, back.text, back.file.path, back.line
        );
        let mend = "import from the module that defines the item, or move it below both";
        Some(Fault::new(&import.file.path, import.line, what, mend))
    });
    circular.collect()
}

/// Splits the path of a source file into its package and its module; tests are left out.
fn module_of(path: &str) -> Option<(&str, Vec<&str>)> {
    let (package, module) = path.split_once("/src/")?;
    let module = module.strip_suffix(".rs")?;
    let segments: Vec<&str> = match module {
        "lib" | "main" => Vec::new(),
        _ => module.split('/').collect(),
    };
    (!segments.contains(&"tests")).then_some((package, segments))
}

/// Returns the modules that a file declares.
fn children<'t>(module: &[&'t str], file: &'t File) -> Vec<Vec<&'t str>> {
    let declarations = file.text.lines().filter_map(|line| {
        let line = line.trim_end().strip_suffix(';')?;
        line.strip_prefix("mod ").or_else(|| line.split_once(") mod ").map(|(_, name)| name))
    });
    declarations.map(|name| [module, &[name]].concat()).collect()
}

fn name(module: &[&str]) -> String {
    if module.is_empty() { "crate".to_owned() } else { module.join("::") }
}

/// Returns the `use` declarations of a file up to its inline tests, with their lines.
pub(super) fn use_trees(text: &str) -> Vec<(usize, String)> {
    let mut trees = Vec::new();
    let mut lines = without_tests(text).lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(mut tree) = after_use(line).map(str::to_owned) else { continue };
        while !tree.contains(';') {
            let Some((_, line)) = lines.next() else { break };
            tree.push_str(line);
        }
        trees.push((index + 1, tree.split(';').next().unwrap_or_default().to_owned()));
    }
    trees
}

/// Returns the paths in code outside of `use` declarations, up to the inline tests.
fn inline_paths(text: &str) -> Vec<(usize, Vec<String>)> {
    let is_in_path = |char: char| char.is_alphanumeric() || matches!(char, '_' | ':' | '$' | '!');
    let mut paths = Vec::new();
    let mut in_use = false;
    for (index, line) in without_tests(text).lines().enumerate() {
        in_use |= after_use(line).is_some();
        if in_use {
            in_use = !line.contains(';');
            continue;
        }
        let code = line.split("//").next().unwrap_or_default();
        for path in code.split(|char| !is_in_path(char)) {
            let path = path.trim_start_matches('!');
            // Exported macros are at the root of a crate, wherever they are defined.
            if path.contains("::") && !path.contains(['$', '!']) {
                let segments = path.split("::").filter(|segment| !segment.is_empty());
                paths.push((index + 1, segments.map(str::to_owned).collect()));
            }
        }
    }
    paths
}

/// Returns the text of a file up to its inline tests.
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default()
}

/// Returns the text after `use`, with any visibility.
fn after_use(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let declaration = match line.strip_prefix("pub") {
        Some(rest) => rest.trim_start_matches(|char: char| char != ' ' && char != ';').trim_start(),
        None => line,
    };
    declaration.strip_prefix("use ")
}

/// Returns the paths that a tree imports: `a::{b, c::d}` has two.
pub(super) fn leaves(tree: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let mut prefixes: Vec<Vec<String>> = vec![Vec::new()];
    let mut path: Vec<String> = Vec::new();
    let mut word = String::new();
    for char in tree.chars().chain([',']) {
        match char {
            ':' => path.extend(segment(&mut word)),
            '{' => {
                let mut prefix = prefixes.last().cloned().unwrap_or_default();
                prefix.append(&mut path);
                prefixes.push(prefix);
            }
            ',' | '}' => {
                path.extend(segment(&mut word));
                if !path.is_empty() {
                    let mut leaf = prefixes.last().cloned().unwrap_or_default();
                    leaf.append(&mut path);
                    all.push(leaf);
                }
                if char == '}' && prefixes.len() > 1 {
                    prefixes.pop();
                }
            }
            _ => word.push(char),
        }
    }
    all
}

/// Takes a segment of a path, without its alias.
fn segment(word: &mut String) -> Option<String> {
    let segment = std::mem::take(word);
    segment.split_whitespace().next().map(str::to_owned)
}

/// Returns the module of the package that defines the last segment of a path, or re-exports it.
fn resolve<'p>(
    path: &[&'p str],
    module: &[&'p str],
    modules: &HashSet<&[&str]>,
) -> Option<Vec<&'p str>> {
    let (first, mut rest) = path.split_first()?;
    let mut absolute = module.to_vec();
    match *first {
        "crate" => absolute.clear(),
        "self" => {}
        "super" => {
            absolute.pop()?;
            while let Some((&"super", after)) = rest.split_first() {
                absolute.pop()?;
                rest = after;
            }
        }
        child => {
            absolute.push(child);
            if !modules.contains(absolute.as_slice()) {
                return None;
            }
        }
    }
    absolute.extend(rest);
    while !modules.contains(absolute.as_slice()) {
        absolute.pop()?;
    }
    Some(absolute)
}
