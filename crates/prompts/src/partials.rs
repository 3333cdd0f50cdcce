//! Partial variables: values given when a prompt is made, so that a call need not repeat them.

use std::{borrow::Cow, fmt, sync::Arc};

use conversant_core::{Value, Variables};

use crate::name_index::NameIndex;

/// The partial variables of one prompt.
#[derive(Clone, Default)]
pub(crate) struct Partials {
    entries: Vec<(Cow<'static, str>, Partial)>,
    index: NameIndex,
}

#[derive(Clone)]
enum Partial {
    Value(Value),
    /// Asked at each call that does not give the variable itself.
    Function(Arc<dyn Fn() -> Value + Send + Sync>),
}

impl Partials {
    pub(crate) fn set(&mut self, name: Cow<'static, str>, value: Value) {
        self.put(name, Partial::Value(value));
    }

    pub(crate) fn set_function(
        &mut self,
        name: Cow<'static, str>,
        function: Arc<dyn Fn() -> Value + Send + Sync>,
    ) {
        self.put(name, Partial::Function(function));
    }

    /// Adds those of another prompt; where both have one, the other's counts.
    pub(crate) fn extend(&mut self, other: Self) {
        for (name, partial) in other.entries {
            self.put(name, partial);
        }
    }

    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|(name, _)| &**name)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Returns the values, or `None` if one of them is a function.
    #[cfg(feature = "json")]
    pub(crate) fn values(&self) -> Option<Variables> {
        let entries = self.entries.iter();
        entries
            .map(|(name, partial)| match partial {
                Partial::Value(value) => Some((name.clone(), value.clone())),
                Partial::Function(_) => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(Variables::from_iter)
    }

    /// Returns whether functions compute some of them.
    #[cfg(feature = "few-shot")]
    pub(crate) fn has_functions(&self) -> bool {
        self.entries.iter().any(|(_, partial)| matches!(partial, Partial::Function(_)))
    }

    /// Asks the functions whose variables are used and not given.
    fn compute(&self, used: &dyn Fn(&str) -> bool) -> Variables {
        let functions = self.entries.iter().filter_map(|(name, partial)| match partial {
            Partial::Function(function) if used(name) => Some((name.clone(), function())),
            _ => None,
        });
        functions.collect()
    }

    /// Returns a value, or `None` if a function computes it.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        match self.entries.get(self.position(name)?)? {
            (_, Partial::Value(value)) => Some(value),
            _ => None,
        }
    }

    fn put(&mut self, name: Cow<'static, str>, partial: Partial) {
        match self.position(&name).and_then(|position| self.entries.get_mut(position)) {
            Some((_, held)) => *held = partial,
            None => {
                self.entries.push((name, partial));
                self.index.appended(self.entries.iter().map(|(name, _)| &**name));
            }
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.index.position(name, self.names())
    }
}

impl fmt::Debug for Partials {
    /// Shows the names and withholds the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|(name, _)| name)).finish()
    }
}

/// The values of a prompt's names in one call: the call's own variables, then the partial
/// ones.
pub(crate) struct Values<'a> {
    variables: &'a Variables,
    partials: &'a Partials,
    computed: Variables,
    outer: Option<&'a Self>,
}

impl<'a> Values<'a> {
    /// Prepares a call. `used` returns whether the prompt has a name.
    pub(crate) fn new(
        variables: &'a Variables,
        partials: &'a Partials,
        used: &dyn Fn(&str) -> bool,
    ) -> Self {
        let computed = partials.compute(&|name| used(name) && !variables.contains(name));
        Self { variables, partials, computed, outer: None }
    }

    /// Adds a template's own partial variables, which count least.
    pub(crate) fn with_inner(
        &'a self,
        partials: &'a Partials,
        used: &dyn Fn(&str) -> bool,
    ) -> Self {
        let computed = partials.compute(&|name| used(name) && self.get(name).is_none());
        Self { variables: self.variables, partials, computed, outer: Some(self) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let outer = match self.outer {
            Some(outer) => outer.get(name),
            None => self.variables.get(name),
        };
        outer.or_else(|| self.computed.get(name)).or_else(|| self.partials.get(name))
    }

    /// Returns how many bytes of text the values have.
    pub(crate) fn text_bytes(&self) -> usize {
        let given = self.variables.iter().chain(self.computed.iter());
        let given = given.filter_map(|(_, value)| value.as_text()).map(str::len).sum::<usize>();
        let partials = self.partials.names().filter_map(|name| self.partials.get(name)?.as_text());
        given + partials.map(str::len).sum::<usize>()
    }

    /// Returns the call's variables that a prompt uses, together with the partial ones that they do
    /// not replace, and those of the prompts around it that it uses.
    #[cfg(feature = "few-shot")]
    pub(crate) fn merged(&self, uses: impl Fn(&str) -> bool) -> Variables {
        let is_own = |name: &str| uses(name) || self.partials.contains(name);
        let own = self.variables.iter().filter(|(name, _)| is_own(name));
        let mut merged: Variables =
            own.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        for name in self.partials.names() {
            if let Some(value) = self.get(name)
                && !merged.contains(name)
            {
                merged.insert(name.to_owned(), value.clone());
            }
        }
        let mut outer = self.outer;
        while let Some(values) = outer {
            for name in values.partials.names().filter(|name| uses(name)) {
                if let Some(value) = values.get(name)
                    && !merged.contains(name)
                {
                    merged.insert(name.to_owned(), value.clone());
                }
            }
            outer = values.outer;
        }
        merged
    }

    /// Returns every name that has a value, for messages about one that has none.
    #[cfg(any(feature = "jinja", feature = "mustache"))]
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.variables.names().collect();
        names.extend(self.partials.names());
        names.extend(self.outer.iter().flat_map(|outer| outer.partials.names()));
        names
    }
}

/// Defines `with_partial`, `with_partial_fn` and `input_variables`, which the prompts share.
///
/// The argument is the path from `self` to the fields `slots` and `partials`.
macro_rules! partial_methods {
    ($($path:ident).*) => {
        /// Sets a partial variable: a value that a call may leave out, and may replace.
        ///
        /// In a chain, a pipeline or an example of a few-shot prompt, it is not replaced: there the
        /// name may be that of another prompt's variable, a memory or an earlier step.
        ///
        /// # Examples
        ///
        /// ```
        /// use conversant_core::{Prompt, vars};
        /// use conversant_prompts::PromptTemplate;
        ///
        /// let prompt = PromptTemplate::from_template("{tone}: {text}")?.with_partial("tone", "kindly");
        /// assert_eq!(prompt.input_variables(), ["text"]);
        /// assert_eq!(prompt.format(&vars! { "text" => "no" })?.to_string(), "kindly: no");
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn with_partial(
            mut self,
            name: impl Into<std::borrow::Cow<'static, str>>,
            value: impl Into<conversant_core::Value>,
        ) -> Self {
            let name = name.into();
            self.$($path.)*slots.provide(&name);
            self.$($path.)*partials.set(name, value.into());
            self
        }

        /// Sets a partial variable that a function computes at each call, such as the date.
        ///
        /// The function is called only if the prompt uses the variable and the call leaves it out.
        ///
        /// # Examples
        ///
        /// ```
        /// use conversant_core::{Prompt, vars};
        /// use conversant_prompts::PromptTemplate;
        ///
        /// let prompt = PromptTemplate::from_template("It is {today}.")?
        ///     .with_partial_fn("today", || "Monday");
        /// assert_eq!(prompt.format(&vars! {})?.to_string(), "It is Monday.");
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn with_partial_fn<V: Into<conversant_core::Value>>(
            mut self,
            name: impl Into<std::borrow::Cow<'static, str>>,
            function: impl Fn() -> V + Send + Sync + 'static,
        ) -> Self {
            let name = name.into();
            self.$($path.)*slots.provide(&name);
            let function = std::sync::Arc::new(move || function().into());
            self.$($path.)*partials.set_function(name, function);
            self
        }

        /// Returns the names of the variables that a call must provide, sorted. Optional and
        /// partial variables are left out.
        #[must_use]
        pub fn input_variables(&self) -> Vec<&str> {
            self.$($path.)*slots.required()
        }
    };
}
pub(crate) use partial_methods;
