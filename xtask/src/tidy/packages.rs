//! The packages of the workspace and all that they depend on, from `cargo metadata`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    error::Error,
};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::workspace;

/// The packages of the workspace and all that they depend on.
#[derive(Debug, Deserialize)]
pub(crate) struct Packages {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
    workspace_root: String,
}

/// A package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) rust_version: Option<String>,
    #[serde(default)]
    pub(crate) repository: Option<String>,
    #[serde(default)]
    pub(crate) readme: Option<String>,
    #[serde(default)]
    pub(crate) keywords: Vec<String>,
    #[serde(default)]
    pub(crate) categories: Vec<String>,
    #[serde(default)]
    pub(crate) features: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) metadata: Json,
    /// The registries that it may be published to; `None` for all.
    #[serde(default)]
    publish: Option<Vec<String>>,
    manifest_path: String,
    #[serde(default)]
    dependencies: Vec<NamedDependency>,
    #[serde(default)]
    targets: Vec<Target>,
}

/// A dependency that a manifest names, of any kind.
#[derive(Debug, Deserialize)]
struct NamedDependency {
    name: String,
    rename: Option<String>,
}

/// A library, a program or a test of a package.
#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
    /// Whether `cargo test` compiles it with its unit tests.
    test: bool,
}

impl Package {
    /// Returns the dependencies of all kinds by the names that the manifest gives them.
    pub(crate) fn named_dependencies(&self) -> BTreeSet<&str> {
        let names = self.dependencies.iter();
        names
            .map(|dependency| dependency.rename.as_ref().unwrap_or(&dependency.name).as_str())
            .collect()
    }

    /// Returns whether the package has macros and no types.
    pub(crate) fn is_proc_macro(&self) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
    }

    /// Returns whether `cargo test` compiles a library or a program with its unit tests.
    pub(crate) fn has_unit_test_targets(&self) -> bool {
        let is_source = |kind: &String| matches!(kind.as_str(), "lib" | "bin" | "proc-macro");
        self.targets.iter().any(|target| target.test && target.kind.iter().any(is_source))
    }
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    /// `None` for a normal one.
    kind: Option<String>,
}

impl Packages {
    /// Asks cargo, with all features on.
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        let mut cargo = workspace::command("cargo");
        cargo.args(["metadata", "--format-version", "1", "--all-features"]);
        Ok(serde_json::from_str(&workspace::output(&mut cargo)?)?)
    }

    /// Iterates over all packages.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter()
    }

    /// Iterates over the packages of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.all().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// Iterates over the packages of the workspace that are published.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Package> {
        self.members().filter(|package| package.publish.is_none())
    }

    /// Iterates over the names of the workspace's packages whose manifests name a dependency of any
    /// kind.
    pub(crate) fn naming(&self, dependency: &str) -> impl Iterator<Item = &str> {
        let named =
            self.members().filter(move |package| package.named_dependencies().contains(dependency));
        named.map(|package| package.name.as_str())
    }

    /// Returns a package's manifest, from the workspace's folder.
    pub(crate) fn manifest<'p>(&self, package: &'p Package) -> &'p str {
        let path = package.manifest_path.strip_prefix(&self.workspace_root);
        path.map_or(&package.manifest_path, |path| path.trim_start_matches('/'))
    }

    /// Returns the normal dependencies of a package, without those of tests and build scripts.
    pub(crate) fn dependencies(&self, package: &Package) -> Vec<&Package> {
        let node = self.resolve.nodes.iter().find(|node| node.id == package.id);
        let is_normal =
            |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        let ids = node
            .into_iter()
            .flat_map(|node| &node.deps)
            .filter(is_normal)
            .map(|dependency| &dependency.pkg);
        ids.filter_map(|id| self.all().find(|package| package.id == *id)).collect()
    }

    /// Returns the direct and indirect dependencies of a package, each with the package that brings
    /// it in.
    pub(crate) fn tree<'p>(&'p self, package: &'p Package) -> HashMap<&'p str, &'p str> {
        let mut brought = HashMap::new();
        let mut next = vec![package];
        while let Some(package) = next.pop() {
            for dependency in self.dependencies(package) {
                if brought.insert(dependency.name.as_str(), package.name.as_str()).is_none() {
                    next.push(dependency);
                }
            }
        }
        brought
    }
}
