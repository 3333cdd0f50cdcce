//! The things that tests need from outside.

use std::{env, fmt};

/// A kind of thing that tests need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// A thing that no variable requires.
    Optional,
    /// A server, or its programs; `CONVERSANT_REQUIRE_SERVICES` requires it.
    Services,
    /// A browser, or its driver; `CONVERSANT_REQUIRE_BROWSER` requires it.
    Browser,
}

impl Need {
    /// Returns the value of a variable, which names the thing.
    ///
    /// # Errors
    ///
    /// [`Missing`] if the variable is not set.
    ///
    /// # Panics
    ///
    /// Panics if the variable is not set and the thing is required.
    pub fn variable(self, name: &str, thing: &str) -> Result<String, Missing> {
        env::var(name).map_err(|_| self.missing(&format!("{thing} in {name}")))
    }

    /// Returns that a thing is missing.
    ///
    /// # Panics
    ///
    /// Panics if it is required.
    #[must_use]
    #[allow(clippy::panic, reason = "a test fails")]
    pub fn missing(self, thing: &str) -> Missing {
        if let Some(required) = self.required().filter(|name| env::var_os(name).is_some()) {
            panic!("cannot run the test: it needs {thing}; provide it or unset {required}");
        }
        Missing(format!("needs {thing}"))
    }

    /// Returns the variable that requires the thing.
    const fn required(self) -> Option<&'static str> {
        match self {
            Self::Optional => None,
            Self::Services => Some("CONVERSANT_REQUIRE_SERVICES"),
            Self::Browser => Some("CONVERSANT_REQUIRE_BROWSER"),
        }
    }
}

/// The reason for which a test is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
