//! Prices of tokens, and the cost of a call.

use std::{fmt, iter::Sum, ops::Add, str::FromStr};

use crate::model::Usage;

/// The number of picos (10⁻¹²) in one unit of the currency.
const PICOS: u64 = 1_000_000_000_000;
/// A price per million tokens, in micros of the currency, is a price per token in picos.
const MICROS: f64 = 1_000_000.0;

/// An amount of money, exact to 10⁻¹² of the currency of the [`Prices`]. Sums are exact up to 18
/// million units of the currency; then they stay there.
///
/// # Examples
///
/// ```
/// use conversant_core::Cost;
///
/// let cost = Cost::from_picos(2_500_000) + Cost::from_picos(500_000);
/// assert_eq!(cost.to_string(), "0.000003");
/// assert_eq!(cost.as_f64(), 0.000003);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cost(u64);

impl Cost {
    /// Creates an amount from picos (10⁻¹²) of the currency.
    #[must_use]
    pub const fn from_picos(picos: u64) -> Self {
        Self(picos)
    }

    /// Returns the amount in picos (10⁻¹²) of the currency.
    #[must_use]
    pub const fn as_picos(self) -> u64 {
        self.0
    }

    /// Returns the amount in units of the currency.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a float has about 16 digits")]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / PICOS as f64
    }

    const fn of(tokens: u64, price: u64) -> Self {
        Self(tokens.saturating_mul(price))
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Cost {
    /// Writes the amount in units of the currency, with as many decimals as it has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:012}", self.0 % PICOS);
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{}", self.0 / PICOS),
            decimals => write!(f, "{}.{decimals}", self.0 / PICOS),
        }
    }
}

impl FromStr for Cost {
    type Err = CostError;

    /// Reads an amount as `Display` writes it: up to 12 decimals.
    fn from_str(text: &str) -> Result<Self, CostError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || decimals.len() > 12 || !is_number(whole) || !is_number(decimals) {
            return Err(CostError);
        }
        let picos = format!("{whole}{decimals:0<12}").parse();
        picos.map(Self).map_err(|_| CostError)
    }
}

/// A text that is not an amount of money.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid cost; use a decimal number such as `0.0025`")]
#[non_exhaustive]
pub struct CostError;

crate::debug_as_report!(CostError);

/// The prices of a model's tokens, per million, in any currency. The library has no prices of its
/// own, since they change.
///
/// | price | default |
/// |---|---|
/// | [`with_cached_input`](Self::with_cached_input) | the price of input |
/// | [`with_cache_write`](Self::with_cache_write) | the price of input |
/// | [`with_reasoning`](Self::with_reasoning) | the price of output |
///
/// Prices are exact to six decimals. Negative and infinite prices count as 0.
///
/// # Examples
///
/// ```
/// use conversant_core::{Prices, Usage};
///
/// let prices = Prices::per_million(1.25, 10.0).with_cached_input(0.125);
/// let usage = Usage::new(2_000, 100).with_cached_tokens(1_024);
/// // 976 · 1.25 + 1,024 · 0.125 + 100 · 10, per million.
/// assert_eq!(prices.cost(&usage).to_string(), "0.002348");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    /// In picos per token, as all others.
    input: u64,
    output: u64,
    cached_input: Option<u64>,
    cache_write: Option<u64>,
    reasoning: Option<u64>,
}

impl Prices {
    /// Creates prices from those of a million tokens of input and of output.
    #[must_use]
    pub fn per_million(input: f64, output: f64) -> Self {
        Self {
            input: per_token(input),
            output: per_token(output),
            cached_input: None,
            cache_write: None,
            reasoning: None,
        }
    }

    /// Sets the price of a million tokens of input that were read from the provider's cache.
    #[must_use]
    pub fn with_cached_input(mut self, price: f64) -> Self {
        self.cached_input = Some(per_token(price));
        self
    }

    /// Sets the price of a million tokens of input that were written to the provider's cache.
    #[must_use]
    pub fn with_cache_write(mut self, price: f64) -> Self {
        self.cache_write = Some(per_token(price));
        self
    }

    /// Sets the price of a million tokens of reasoning, which are part of the output.
    #[must_use]
    pub fn with_reasoning(mut self, price: f64) -> Self {
        self.reasoning = Some(per_token(price));
        self
    }

    /// Returns the cost of a usage.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Prices, Usage};
    ///
    /// let prices = Prices::per_million(1.25, 10.0).with_cached_input(0.125);
    /// let usage = Usage::new(1_000, 200).with_cached_tokens(800);
    /// assert_eq!(prices.cost(&usage).as_f64(), 0.00235);
    /// ```
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Cost {
        let read = usage.cached_tokens.unwrap_or_default().min(usage.input_tokens);
        let written = usage.cache_write_tokens.unwrap_or_default().min(usage.input_tokens - read);
        let reasoning = usage.reasoning_tokens.unwrap_or_default().min(usage.output_tokens);
        [
            Cost::of(usage.input_tokens - read - written, self.input),
            Cost::of(read, self.cached_input.unwrap_or(self.input)),
            Cost::of(written, self.cache_write.unwrap_or(self.input)),
            Cost::of(usage.output_tokens - reasoning, self.output),
            Cost::of(reasoning, self.reasoning.unwrap_or(self.output)),
        ]
        .into_iter()
        .sum()
    }
}

/// Returns the price of a token in picos.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn per_token(per_million: f64) -> u64 {
    if per_million.is_finite() { (per_million * MICROS).round() as u64 } else { 0 }
}

/// The prices of several models, by name.
///
/// A name also matches the model's dated snapshots: `gpt-6-luna` matches `gpt-6-luna-2026-05-01`
/// but not `gpt-6-luna-mini`. Of several names, the longest counts. [`Prices`] alone convert into a
/// list for all models.
///
/// # Examples
///
/// ```
/// use conversant_core::{PriceList, Prices};
///
/// let list = PriceList::new()
///     .with_model("gpt-6-luna", Prices::per_million(1.0, 8.0))
///     .with_model("gpt-6-luna-mini", Prices::per_million(0.2, 1.6));
/// assert_eq!(list.of(Some("gpt-6-luna-2026-05-01")), Some(Prices::per_million(1.0, 8.0)));
/// assert_eq!(list.of(Some("another")), None);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceList {
    models: Vec<(String, Prices)>,
    default: Option<Prices>,
}

impl PriceList {
    /// Creates an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { models: Vec::new(), default: None }
    }

    /// Adds the prices of a model.
    #[must_use]
    pub fn with_model(mut self, name: impl Into<String>, prices: Prices) -> Self {
        self.models.push((name.into(), prices));
        self
    }

    /// Sets the prices of models that are not in the list.
    #[must_use]
    pub const fn with_default(mut self, prices: Prices) -> Self {
        self.default = Some(prices);
        self
    }

    /// Returns the prices of a model.
    #[must_use]
    pub fn of(&self, model: Option<&str>) -> Option<Prices> {
        self.of_first(&[model])
    }

    /// Returns the prices of the first of the names that is in the list, or else the default.
    pub(super) fn of_first(&self, names: &[Option<&str>]) -> Option<Prices> {
        names.iter().flatten().find_map(|name| self.listed(name)).or(self.default)
    }

    fn listed(&self, model: &str) -> Option<Prices> {
        let is_snapshot = |name: &str| {
            let date = model.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
            date.is_some_and(is_date)
        };
        let exact = self.models.iter().find(|(name, _)| name == model);
        let snapshots = || self.models.iter().filter(|(name, _)| is_snapshot(name));
        // Of equal names, the first counts here as well.
        let longest = || snapshots().rev().max_by_key(|(name, _)| name.len());
        exact.or_else(longest).map(|(_, prices)| *prices)
    }
}

/// Returns whether the end of a name is a date, such as `2026-05-01`, `20260501`, `0613` or
/// `08-2024`, and not the rest of a version, such as `5-20251101`.
fn is_date(text: &str) -> bool {
    let groups = || text.split('-');
    let digits: usize = groups().map(str::len).sum();
    let first = groups().next().map_or(0, str::len);
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        && groups().all(|group| !group.is_empty())
        && (first >= 4 || groups().all(|group| group.len() >= 2) && (4..=8).contains(&digits))
}

impl From<Prices> for PriceList {
    fn from(prices: Prices) -> Self {
        Self::new().with_default(prices)
    }
}
