//! Python's `datetime.strptime`, in the C locale.
//!
//! CPython turns a format into a regular expression. This matches the same alternatives in the same
//! order: the first match counts, and what is left of the text after it is an error.

use super::space::is_space;

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

/// The most steps of one match: 100,000. Nested choices of digits can multiply.
const MAX_STEPS: usize = 100_000;

/// An element of a format.
enum Element {
    Literal(char),
    Space,
    Directive(char),
}

/// Returns a date and time in ISO 8601, or `None` if the text or the format is invalid.
pub(super) fn strptime(text: &str, format: &str) -> Option<String> {
    let elements = elements(format)?;
    let text: Vec<char> = text.chars().collect();
    let mut matcher = Matcher { text: &text, values: Vec::new(), steps: 0 };
    let end = matcher.run(&elements, 0)?;
    if end != text.len() {
        return None;
    }
    Fields::read(&matcher.values)?.iso()
}

fn elements(format: &str) -> Option<Vec<Element>> {
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
                let directive = characters.next()?;
                let is_known = "aAbBdfGHIjmMpSuUVwWyYzZ".contains(directive);
                // A directive is a named group, which an expression can have once.
                if !is_known || seen.contains(&directive) {
                    return None;
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
    Some(elements)
}

struct Matcher<'t> {
    text: &'t [char],
    values: Vec<(char, String)>,
    steps: usize,
}

impl Matcher<'_> {
    /// Matches the elements at a position and returns the end of the match.
    fn run(&mut self, elements: &[Element], at: usize) -> Option<usize> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return None;
        }
        let Some((element, rest)) = elements.split_first() else { return Some(at) };
        match element {
            Element::Literal(literal) => {
                let found = self.text.get(at)?;
                let same = found.to_lowercase().eq(literal.to_lowercase());
                if same { self.run(rest, at + 1) } else { None }
            }
            Element::Space => {
                let spaces = self.text.get(at..)?.iter().take_while(|c| is_space(**c)).count();
                (1..=spaces).rev().find_map(|length| self.run(rest, at + length))
            }
            Element::Directive(directive) => {
                for length in self.lengths(*directive, at) {
                    let value = self.text.get(at..at + length)?.iter().collect();
                    self.values.push((*directive, value));
                    let depth = self.values.len();
                    if let Some(end) = self.run(rest, at + length) {
                        return Some(end);
                    }
                    self.values.truncate(depth - 1);
                }
                None
            }
        }
    }

    /// Returns the lengths of the alternatives of a directive, in the order in which they are
    /// tried.
    fn lengths(&self, directive: char, at: usize) -> Vec<usize> {
        let rest = self.text.get(at..).unwrap_or_default();
        let digits = |count: usize| -> Option<u32> {
            let digits = rest.get(..count)?;
            let mut number = 0;
            for digit in digits {
                number = number * 10 + digit.to_digit(10)?;
            }
            Some(number)
        };
        let within = |count: usize, least: u32, most: u32| {
            digits(count).is_some_and(|number| (least..=most).contains(&number)).then_some(count)
        };
        let list = |lengths: &[Option<usize>]| lengths.iter().copied().flatten().collect();
        match directive {
            'd' => {
                let spaced = (rest.first() == Some(&' ')
                    && rest.get(1).is_some_and(|digit| ('1'..='9').contains(digit)))
                .then_some(2);
                list(&[within(2, 1, 31), within(1, 1, 9), spaced])
            }
            'f' => (1..=6).rev().filter(|count| digits(*count).is_some()).collect(),
            'H' => list(&[within(2, 0, 23), within(1, 0, 9)]),
            'I' | 'm' => list(&[within(2, 1, 12), within(1, 1, 9)]),
            'j' => list(&[within(3, 1, 366), within(2, 1, 99), within(1, 1, 9)]),
            'M' => list(&[within(2, 0, 59), within(1, 0, 9)]),
            'S' => list(&[within(2, 0, 61), within(1, 0, 9)]),
            'U' | 'W' => list(&[within(2, 0, 53), within(1, 0, 9)]),
            'V' => list(&[within(2, 1, 53), within(1, 0, 9)]),
            'u' => list(&[within(1, 1, 7)]),
            'w' => list(&[within(1, 0, 6)]),
            'y' => list(&[within(2, 0, 99)]),
            'Y' | 'G' => list(&[within(4, 0, 9999)]),
            'B' => self.names(at, &MONTHS, usize::MAX),
            'b' => self.names(at, &MONTHS, 3),
            'A' => self.names(at, &DAYS, usize::MAX),
            'a' => self.names(at, &DAYS, 3),
            'p' => self.names(at, &["am", "pm"], usize::MAX),
            'Z' => self.names(at, &["utc", "gmt"], usize::MAX),
            'z' => offset_lengths(rest),
            _ => Vec::new(),
        }
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

/// Returns the lengths of `+HH:MM[:SS[.ffffff]]` or `Z` at the start, the longest first.
fn offset_lengths(rest: &[char]) -> Vec<usize> {
    if rest.first() == Some(&'Z') {
        return vec![1];
    }
    let is_digit = |at: usize| rest.get(at).is_some_and(char::is_ascii_digit);
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
        let is_iso = self.iso_year.is_some();
        if is_iso
            && (self.iso_week.is_none() || self.weekday.is_none() || self.day_of_year.is_some())
            || !is_iso && self.iso_week.is_some()
        {
            return None;
        }
        let (mut year, mut month, mut day) =
            (self.year.unwrap_or(1900), self.month.unwrap_or(1), self.day.unwrap_or(1));
        let mut day_of_year = self.day_of_year;
        if day_of_year.is_none()
            && let Some(weekday) = self.weekday
        {
            if let (Some((week, first)), Some(_)) = (self.week, self.year) {
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
            if self.month.is_none() || self.day.is_none() || self.day_of_year.is_none() {
                (month, day) = (1, number);
                while day > days_in(year, month) {
                    day -= days_in(year, month);
                    month += 1;
                }
            }
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
