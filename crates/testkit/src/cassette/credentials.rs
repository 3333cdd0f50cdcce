//! Texts that are credentials by their form: keys, tokens, header lines, parameters of URLs.

use std::sync::LazyLock;

use regex::Regex;

/// The text in place of a secret.
pub(super) const MASK: &str = "***";

/// Patterns of credentials in text, with what replaces them. A group of the pattern is what stays.
const PATTERNS: &[(&str, &str)] = &[
    // Header lines.
    (
        r#"((?i-u:\b(?:(?:proxy-)?authorization|(?:set-)?cookie|(?:x-)?api-key)\b)["']?[ \t]*[:=][ \t]*["']?)[^\r\n"']+"#,
        "${1}***",
    ),
    (r"((?i-u:\bbearer)[ \t]+)[A-Za-z0-9+/=._~-]{16,}", "${1}***"),
    // Keys by the prefixes that their issuers gave them, and JSON Web Tokens.
    (r"(?-u:\b)[spr]k-[A-Za-z0-9_-]{16,}", "***"),
    (
        r"(?-u:\b)(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|hf_|gsk_|AKIA|ASIA|AIza)[A-Za-z0-9_-]{12,}",
        "***",
    ),
    (r"(?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", "***"),
    // Passwords and parameters of URLs.
    (r"(://[^/ \t\r\n:@]*:)[^/ \t\r\n@]+@", "${1}***@"),
    (
        r#"([?&;](?i-u:api[_-]?key|key|(?:access[_-]?|refresh[_-]?|id[_-]?)?token|auth|sig|signature|(?:client[_-]?)?secret|password|x-(?:amz|goog)-(?:signature|credential|security-token))=)[^&;# \t\r\n"'<>)\]]+"#,
        "${1}***",
    ),
];

/// The names of fields whose text is a credential.
const FIELDS: &[&str] = &[
    "access_token",
    "api_key",
    "apikey",
    "authorization",
    "client_secret",
    "cookie",
    "password",
    "refresh_token",
    "secret",
];

static REGEXES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    // Each pattern has rows in the tests, so that an invalid one would be noticed.
    let compiled = PATTERNS.iter().map(|(pattern, with)| Some((Regex::new(pattern).ok()?, *with)));
    compiled.flatten().collect()
});

/// Replaces the credentials in a text. `field` is the name of the JSON field that has it.
pub(super) fn mask_credentials(field: &str, text: &mut String) {
    let name = field.to_ascii_lowercase().replace('-', "_");
    if FIELDS.contains(&name.as_str()) && !text.is_empty() {
        MASK.clone_into(text);
        return;
    }
    for (regex, with) in REGEXES.iter() {
        if let std::borrow::Cow::Owned(masked) = regex.replace_all(text, *with) {
            *text = masked;
        }
    }
}
