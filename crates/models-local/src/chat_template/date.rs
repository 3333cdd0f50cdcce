//! Dates as Python's `strftime` writes them, in UTC and in English.

use minijinja::{Error, ErrorKind};

const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The most characters of a format: 1,000.
const MAX_FORMAT_CHARS: usize = 1_000;

/// A second of the Gregorian calendar.
pub(super) struct Date {
    year: u64,
    /// From 1.
    month: u64,
    /// From 1.
    day: u64,
    /// From 1.
    day_of_year: u64,
    /// From Sunday, which is 0.
    weekday: u64,
    second_of_day: u64,
}

impl Date {
    /// Returns the date of a number of seconds since 1970.
    pub(super) fn at(seconds: u64) -> Self {
        let (mut day, second_of_day) = (seconds / 86_400, seconds % 86_400);
        let weekday = (day + 4) % 7;
        // The calendar repeats after 400 years, which have 146,097 days.
        let mut year = 1970 + day / 146_097 * 400;
        day %= 146_097;
        while day >= days_of_year(year) {
            day -= days_of_year(year);
            year += 1;
        }
        let (day_of_year, mut month) = (day + 1, 1);
        while day >= days_of_month(year, month) {
            day -= days_of_month(year, month);
            month += 1;
        }
        Self { year, month, day: day + 1, day_of_year, weekday, second_of_day }
    }

    /// Writes the date. The error is one of a template.
    pub(super) fn format(&self, format: &str) -> Result<String, Error> {
        if format.len() > MAX_FORMAT_CHARS {
            let what = "the format of `strftime_now` is too long";
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        }
        let mut written = String::with_capacity(format.len() * 2);
        let mut rest = format.chars();
        while let Some(character) = rest.next() {
            if character != '%' {
                written.push(character);
                continue;
            }
            let ahead = rest.clone().next();
            let is_unpadded = ahead == Some('-');
            if is_unpadded {
                rest.next();
            }
            let Some(directive) = rest.next() else {
                written.push('%');
                break;
            };
            match self.field(directive) {
                Some(field) if is_unpadded && field.len() > 1 => {
                    let unpadded = field.trim_start_matches(['0', ' ']);
                    written.push_str(if unpadded.is_empty() { "0" } else { unpadded });
                }
                Some(field) => written.push_str(&field),
                // As the C library does.
                None => {
                    written.push('%');
                    written.extend(is_unpadded.then_some('-'));
                    written.push(directive);
                }
            }
        }
        Ok(written)
    }

    fn field(&self, directive: char) -> Option<String> {
        let name = |names: &'static [&'static str], index: u64| {
            usize::try_from(index).ok().and_then(|index| names.get(index)).copied()
        };
        let (day, month) = (name(&DAYS, self.weekday)?, name(&MONTHS, self.month - 1)?);
        let short = |name: &str| name.get(..3).unwrap_or(name).to_owned();
        let (hour, minute) = (self.second_of_day / 3600, self.second_of_day / 60 % 60);
        let second = self.second_of_day % 60;
        let hour_of_12 = (hour + 11) % 12 + 1;
        Some(match directive {
            'a' => short(day),
            'A' => day.to_owned(),
            'b' | 'h' => short(month),
            'B' => month.to_owned(),
            'd' => format!("{:02}", self.day),
            'e' => format!("{:2}", self.day),
            'f' => "000000".to_owned(),
            'H' => format!("{hour:02}"),
            'I' => format!("{hour_of_12:02}"),
            'j' => format!("{:03}", self.day_of_year),
            'm' => format!("{:02}", self.month),
            'M' => format!("{minute:02}"),
            'p' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            'S' => format!("{second:02}"),
            'u' => ((self.weekday + 6) % 7 + 1).to_string(),
            'w' => self.weekday.to_string(),
            'y' => format!("{:02}", self.year % 100),
            'Y' => self.year.to_string(),
            // Python's `now()` has no time zone.
            'z' | 'Z' => String::new(),
            'D' | 'x' => format!("{:02}/{:02}/{:02}", self.month, self.day, self.year % 100),
            'F' => format!("{}-{:02}-{:02}", self.year, self.month, self.day),
            'R' => format!("{hour:02}:{minute:02}"),
            'T' | 'X' => format!("{hour:02}:{minute:02}:{second:02}"),
            'c' => format!(
                "{} {} {:2} {hour:02}:{minute:02}:{second:02} {}",
                short(day),
                short(month),
                self.day,
                self.year
            ),
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            '%' => "%".to_owned(),
            _ => return None,
        })
    }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Python's `datetime.fromtimestamp(SECONDS, UTC).strftime(FORMAT)`.
    #[test]
    fn dates_are_written_as_python_writes_them() {
        for (seconds, format, expected) in [
            (0, "%d %b %Y", "01 Jan 1970"),
            (951_782_400, "%A, %B %-d, %Y (%j)", "Tuesday, February 29, 2000 (060)"),
            (1_795_806_000, "%Y-%m-%d %H:%M:%S|%I %p|%y|%a %w %u|%e", DATES),
            (4_107_542_399, "%F %T%%%q%-q%", "2100-02-28 23:59:59%%q%-q%"),
            (4_107_542_400, "%c|%-H|%x", "Mon Mar  1 00:00:00 2100|0|03/01/00"),
        ] {
            assert_eq!(Date::at(seconds).format(format).unwrap(), expected);
        }
        assert!(Date::at(0).format(&"%c".repeat(501)).is_err());
    }

    const DATES: &str = "2026-11-27 19:00:00|07 PM|26|Fri 5 5|27";
}
