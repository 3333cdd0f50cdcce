//! Python's `datetime.strptime`, in the C locale.
//!
//! CPython turns a format into a regular expression. This matches the same alternatives in the same
//! order: the first match counts, and what is left of the text after it is an error.

use std::vec;

use super::characters::{digit, is_same_letter, is_space};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The most steps of one match, each an element at a position: 100,000. Nested choices of digits
/// can multiply.
const MAX_STEPS: usize = 100_000;

/// An element of a format.
#[derive(Debug, Clone)]
enum Element {
    Literal(char),
    Space,
    Directive(char),
}

/// A format that was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Format(Vec<Element>);

impl Format {
    /// Reads a format. The error is its fault.
    pub(super) fn new(format: &str) -> Result<Self, String> {
        elements(format).map(Self)
    }

    /// Returns the date and time of a text in ISO 8601, or `None` if it does not match.
    pub(super) fn parse(&self, text: &str) -> Option<String> {
        let text: Vec<char> = text.chars().collect();
        let mut matcher = Matcher { text: &text, values: Vec::new(), steps: 0 };
        let end = matcher.run(&self.0)?;
        if end != text.len() {
            return None;
        }
        Fields::read(&matcher.values)?.iso()
    }
}

fn elements(format: &str) -> Result<Vec<Element>, String> {
    let expanded = format
        .replace("%%", "\0")
        .replace("%c", "%a %b %d %H:%M:%S %Y")
        .replace("%x", "%m/%d/%y")
        .replace("%X", "%H:%M:%S");
    let mut elements: Vec<Element> = Vec::new();
    let mut seen = Vec::new();
    let mut characters = expanded.chars();
    while let Some(character) = characters.next() {
        elements.push(match character {
            '%' => {
                let Some(directive) = characters.next() else {
                    return Err("it ends with `%`".to_owned());
                };
                if !"aAbBdfGHIjmMpSuUVwWyYzZ".contains(directive) {
                    return Err(format!("it has the unknown directive `%{directive}`"));
                }
                // A directive is a named group, which an expression can have once.
                if seen.contains(&directive) {
                    return Err(format!("it has the directive `%{directive}` twice"));
                }
                seen.push(directive);
                Element::Directive(directive)
            }
            '\0' => Element::Literal('%'),
            space if is_space(space) => {
                if matches!(elements.last(), Some(Element::Space)) {
                    continue;
                }
                Element::Space
            }
            literal => Element::Literal(literal),
        });
    }
    match fault_of_weeks(&seen) {
        Some(fault) => Err(fault.to_owned()),
        None => Ok(elements),
    }
}

/// Returns the fault of the directives of ISO weeks, with which no text is a date.
fn fault_of_weeks(seen: &[char]) -> Option<&'static str> {
    let has = |directives: &str| directives.chars().any(|directive| seen.contains(&directive));
    if has("G") && !has("Yy") {
        let is_whole = has("V") && has("Aawu") && !has("j");
        return (!is_whole).then_some("`%G` needs `%V` and a weekday, and not `%j`");
    }
    (has("V") && !has("UW")).then_some("`%V` needs `%G`, and not `%Y`")
}

struct Matcher<'t> {
    text: &'t [char],
    values: Vec<(char, String)>,
    steps: usize,
}

/// An element that can match texts of different lengths, at a position.
struct Choice {
    /// The index of the element.
    element: usize,
    at: usize,
    /// The lengths that are not tried yet.
    lengths: Lengths,
    /// The number of values before it.
    values: usize,
}

enum Lengths {
    /// From a number of spaces down to one.
    Spaces(usize),
    Values(vec::IntoIter<usize>),
}

impl Iterator for Lengths {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::Spaces(left) => {
                let length = *left;
                *left = left.checked_sub(1)?;
                Some(length)
            }
            Self::Values(lengths) => lengths.next(),
        }
    }
}

impl Matcher<'_> {
    /// Matches the elements and returns the end of the match. What is left to try is kept in a
    /// list: a format can be of any length.
    fn run(&mut self, elements: &[Element]) -> Option<usize> {
        let mut choices: Vec<Choice> = Vec::new();
        let (mut element, mut at) = (0, 0);
        loop {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return None;
            }
            let lengths = match elements.get(element) {
                None => return Some(at),
                Some(Element::Literal(literal)) => {
                    let found = self.text.get(at);
                    if found.is_some_and(|found| is_same_letter(*found, *literal)) {
                        (element, at) = (element + 1, at + 1);
                        continue;
                    }
                    None
                }
                Some(Element::Space) => {
                    let rest = self.text.get(at..).unwrap_or_default();
                    Some(Lengths::Spaces(rest.iter().take_while(|c| is_space(**c)).count()))
                }
                Some(Element::Directive(directive)) => {
                    Some(Lengths::Values(self.lengths(*directive, at).into_iter()))
                }
            };
            if let Some(lengths) = lengths {
                choices.push(Choice { element, at, lengths, values: self.values.len() });
            }
            (element, at) = self.next_try(elements, &mut choices)?;
        }
    }

    /// Takes the next length of the last choice that has one, and returns the element and the
    /// position that follow.
    fn next_try(
        &mut self,
        elements: &[Element],
        choices: &mut Vec<Choice>,
    ) -> Option<(usize, usize)> {
        loop {
            let choice = choices.last_mut()?;
            self.values.truncate(choice.values);
            let Some(length) = choice.lengths.next() else {
                choices.pop();
                continue;
            };
            let end = choice.at + length;
            if let Some(Element::Directive(directive)) = elements.get(choice.element) {
                let value = self.text.get(choice.at..end)?.iter().copied();
                let value =
                    value.map(|c| digit(c).and_then(|d| char::from_digit(d, 10)).unwrap_or(c));
                self.values.push((*directive, value.collect()));
            }
            return Some((choice.element + 1, end));
        }
    }

    /// Returns the lengths of the alternatives of a directive, in the order in which they are
    /// tried. Each character of an alternative has its least and its greatest, or `##` for a digit
    /// of any script.
    fn lengths(&self, directive: char, at: usize) -> Vec<usize> {
        let rest = self.text.get(at..).unwrap_or_default();
        let alternatives: &[&str] = match directive {
            'd' => &["3301", "12##", "0019", "19", "  19"],
            'f' => &["090909090909", "0909090909", "09090909", "090909", "0909", "09"],
            'H' => &["2203", "01##", "##"],
            'I' | 'm' => &["1102", "0019", "19"],
            'j' => &["336606", "3305##", "12####", "0019##", "000019", "19##", "0019", "19"],
            'M' => &["05##", "##"],
            'S' => &["6601", "05##", "##"],
            'U' | 'W' => &["5503", "04##", "##"],
            'V' => &["5503", "0019", "14##", "##"],
            'u' => &["17"],
            'w' => &["06"],
            'y' => &["####"],
            'Y' | 'G' => &["########"],
            'B' => return self.names(at, &MONTHS, usize::MAX),
            'b' => return self.names(at, &MONTHS, 3),
            'A' => return self.names(at, &DAYS, usize::MAX),
            'a' => return self.names(at, &DAYS, 3),
            'p' => return self.names(at, &["am", "pm"], usize::MAX),
            'Z' => return self.names(at, &["utc", "gmt"], usize::MAX),
            'z' => return offset_lengths(rest),
            _ => &[],
        };
        let matching = alternatives.iter().filter(|alternative| matches(rest, alternative));
        matching.map(|alternative| alternative.len() / 2).collect()
    }

    fn names(&self, at: usize, names: &[&str], letters: usize) -> Vec<usize> {
        let rest = self.text.get(at..).unwrap_or_default();
        let found = names.iter().map(|name| name.get(..letters).unwrap_or(name)).filter(|name| {
            let mut given = rest.iter();
            name.chars()
                .all(|letter| given.next().is_some_and(|c| c.to_ascii_lowercase() == letter))
        });
        found.map(str::len).collect()
    }
}

/// Returns whether a text begins with an alternative of a directive.
fn matches(text: &[char], alternative: &str) -> bool {
    let mut bounds = alternative.chars();
    let mut text = text.iter();
    while let (Some(least), Some(greatest)) = (bounds.next(), bounds.next()) {
        let Some(found) = text.next() else { return false };
        let is_allowed = match least {
            '#' => digit(*found).is_some(),
            _ => (least..=greatest).contains(found),
        };
        if !is_allowed {
            return false;
        }
    }
    true
}

/// Returns the lengths of `+HH:MM[:SS[.ffffff]]` or `Z` at the start, the longest first.
fn offset_lengths(rest: &[char]) -> Vec<usize> {
    if rest.first() == Some(&'Z') {
        return vec![1];
    }
    let is_digit = |at: usize| rest.get(at).is_some_and(|c| digit(*c).is_some());
    let is_sixty =
        |at: usize| rest.get(at).is_some_and(|c| ('0'..='5').contains(c)) && is_digit(at + 1);
    if !matches!(rest.first(), Some('+' | '-')) || !is_digit(1) || !is_digit(2) {
        return Vec::new();
    }
    let colon = |at: usize| if rest.get(at) == Some(&':') { at + 1 } else { at };
    let minutes = colon(3);
    if !is_sixty(minutes) {
        return Vec::new();
    }
    let short = minutes + 2;
    let seconds = colon(short);
    if !is_sixty(seconds) {
        return vec![short];
    }
    let mut lengths = vec![seconds + 2, short];
    if rest.get(seconds + 2) == Some(&'.') {
        let fraction = (0..6).take_while(|index| is_digit(seconds + 3 + index)).count();
        for count in 1..=fraction {
            lengths.insert(0, seconds + 3 + count);
        }
    }
    lengths
}

/// The fields of a date and time.
#[derive(Default)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    microsecond: i64,
    day_of_year: Option<i64>,
    /// Monday is 0.
    weekday: Option<i64>,
    /// The week of the year, and the weekday on which weeks begin.
    week: Option<(i64, i64)>,
    iso_year: Option<i64>,
    iso_week: Option<i64>,
    offset: Option<String>,
}

impl Fields {
    fn read(values: &[(char, String)]) -> Option<Self> {
        let mut fields = Self::default();
        let afternoon = values
            .iter()
            .find(|(directive, _)| *directive == 'p')
            .map(|(_, value)| value.eq_ignore_ascii_case("pm"));
        for (directive, value) in values {
            let number = || value.trim().parse::<i64>().ok();
            let place = |names: &[&str], letters: usize| {
                let wanted = value.to_ascii_lowercase();
                names
                    .iter()
                    .position(|name| name.get(..letters).unwrap_or(name) == wanted)
                    .and_then(|place| i64::try_from(place).ok())
            };
            match directive {
                'Y' => fields.year = number(),
                'y' => {
                    let year = number()?;
                    fields.year = Some(if year <= 68 { 2000 + year } else { 1900 + year });
                }
                'm' => fields.month = number(),
                'B' => fields.month = place(&MONTHS, usize::MAX).map(|place| place + 1),
                'b' => fields.month = place(&MONTHS, 3).map(|place| place + 1),
                'd' => fields.day = number(),
                'H' => fields.hour = number()?,
                'I' => {
                    fields.hour = number()? % 12 + if afternoon == Some(true) { 12 } else { 0 };
                }
                'M' => fields.minute = number()?,
                'S' => fields.second = number()?,
                'f' => fields.microsecond = format!("{value:0<6}").parse().ok()?,
                'A' => fields.weekday = place(&DAYS, usize::MAX),
                'a' => fields.weekday = place(&DAYS, 3),
                'w' => fields.weekday = Some((number()? + 6) % 7),
                'u' => fields.weekday = Some(number()? - 1),
                'j' => fields.day_of_year = number(),
                'U' => fields.week = Some((number()?, 6)),
                'W' => fields.week = Some((number()?, 0)),
                'G' => fields.iso_year = number(),
                'V' => fields.iso_week = number(),
                'z' => fields.offset = Some(offset(value)?),
                _ => {}
            }
        }
        Some(fields)
    }

    /// Writes the date and time, if it exists.
    fn iso(self) -> Option<String> {
        if self.year.is_none() && self.iso_year.is_some() {
            if self.iso_week.is_none() || self.weekday.is_none() || self.day_of_year.is_some() {
                return None;
            }
        } else if self.week.is_none() && self.iso_week.is_some() {
            return None;
        }
        let (mut month, mut day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        // Without a year, Python takes a leap year for the 29th of February, and 1900 at the end.
        let is_leap_day = self.year.is_none() && (month, day) == (2, 29);
        let mut year = if is_leap_day { 1904 } else { self.year.unwrap_or(1900) };
        let mut day_of_year = self.day_of_year;
        if day_of_year.is_none()
            && let Some(weekday) = self.weekday
        {
            if let Some((week, first)) = self.week {
                let start = (weekday_of(year, 1, 1) - first).rem_euclid(7);
                let in_week = (weekday - first).rem_euclid(7);
                let until_first_week = (7 - start) % 7;
                day_of_year = Some(if week == 0 {
                    1 + in_week - start
                } else {
                    1 + until_first_week + 7 * (week - 1) + in_week
                });
            } else if let (Some(iso_year), Some(iso_week)) = (self.iso_year, self.iso_week) {
                let january_fourth = weekday_of(iso_year, 1, 4);
                year = iso_year;
                day_of_year = Some(iso_week * 7 + weekday + 1 - (january_fourth + 4));
            }
        }
        if let Some(mut number) = day_of_year {
            while number <= 0 {
                year -= 1;
                number += days_of(year);
            }
            while number > days_of(year) {
                number -= days_of(year);
                year += 1;
            }
            (month, day) = (1, number);
            while day > days_in(year, month) {
                day -= days_in(year, month);
                month += 1;
            }
        }
        if is_leap_day {
            year = 1900;
        }
        let exists = (1..=9999).contains(&year) && day <= days_in(year, month) && self.second <= 59;
        if !exists {
            return None;
        }
        let Self { hour, minute, second, .. } = self;
        let mut iso = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if self.microsecond > 0 {
            iso += &format!(".{:06}", self.microsecond);
        }
        Some(iso + &self.offset.unwrap_or_default())
    }
}

/// Writes an offset as `isoformat` does: `+HH:MM`, with seconds where they are not zero.
fn offset(value: &str) -> Option<String> {
    if value == "Z" {
        return Some("+00:00".to_owned());
    }
    let (sign, rest) = value.split_at_checked(1)?;
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    // Colons stand between all parts or between none.
    let colons = whole.matches(':').count();
    let digits: String = whole.chars().filter(char::is_ascii_digit).collect();
    if colons > 0 && digits.len() / 2 != colons + 1 {
        return None;
    }
    let (hours, minutes) = (digits.get(..2)?, digits.get(2..4)?);
    if hours > "23" {
        return None;
    }
    let seconds = digits.get(4..6).unwrap_or("00");
    let fraction = format!("{fraction:0<6}");
    let is_zero = |digits: &str| digits.bytes().all(|digit| digit == b'0');
    let sign = if is_zero(&digits) && is_zero(&fraction) { "+" } else { sign };
    Some(if !is_zero(&fraction) {
        format!("{sign}{hours}:{minutes}:{seconds}.{fraction}")
    } else if is_zero(seconds) {
        format!("{sign}{hours}:{minutes}")
    } else {
        format!("{sign}{hours}:{minutes}:{seconds}")
    })
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the weekday of a date, Monday as 0.
fn weekday_of(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let years =
        before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    (years + months + day - 1).rem_euclid(7)
}
