//! Times as Go's `time.Parse` accepts them, with its words for those it does not.
//!
//! Follows Go's time/format.go (`parse`, `ParseError.Error`) for the two layouts of the API:
//! `metav1.Time` (RFC 3339) and `metav1.MicroTime` (the same with exactly six digits of a second).

/// Whether `text` is a time; `micro` asks for six digits of a second.
///
/// # Errors
/// What Go says.
pub fn check(text: &str, micro: bool) -> Result<(), String> {
    let layout =
        if micro { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
    Parser { text, layout, rest: text }.parse(micro)
}

struct Parser<'t> {
    text: &'t str,
    layout: &'static str,
    rest: &'t str,
}

impl Parser<'_> {
    fn parse(&mut self, micro: bool) -> Result<(), String> {
        let year = self.number("2006", 4)?;
        self.literal("-")?;
        let month = self.ranged("01", "month", 1..=12)?;
        self.literal("-")?;
        let day = self.number("02", 2)?;
        self.literal("T")?;
        self.hour()?;
        self.literal(":")?;
        self.ranged("04", "minute", 0..=59)?;
        self.literal(":")?;
        self.ranged("05", "second", 0..=59)?;
        if micro {
            self.micros()?;
        } else {
            self.fraction();
        }
        self.zone()?;
        if !self.rest.is_empty() {
            return Err(self.message(&format!("extra text: {:?}", self.rest)));
        }
        if day < 1 || day > days_in(month, year) {
            return Err(self.message("day out of range"));
        }
        Ok(())
    }

    /// `what` of the layout does not match the text at `at`.
    fn mismatch(&self, at: &str, what: &str) -> String {
        format!(
            "parsing time {:?} as {:?}: cannot parse {at:?} as {what:?}",
            self.text, self.layout
        )
    }

    fn message(&self, problem: &str) -> String {
        format!("parsing time {:?}: {problem}", self.text)
    }

    fn literal(&mut self, what: &str) -> Result<(), String> {
        self.rest = self.rest.strip_prefix(what).ok_or_else(|| self.mismatch(self.rest, what))?;
        Ok(())
    }

    /// Exactly `digits` digits.
    fn number(&mut self, what: &str, digits: usize) -> Result<u32, String> {
        let number = self.rest.get(..digits).filter(|text| is_digits(text));
        let number = number.and_then(|text| text.parse().ok());
        let number = number.ok_or_else(|| self.mismatch(self.rest, what))?;
        self.rest = &self.rest[digits..];
        Ok(number)
    }

    fn ranged(
        &mut self,
        what: &str,
        name: &str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Result<u32, String> {
        let number = self.number(what, 2)?;
        match range.contains(&number) {
            true => Ok(number),
            false => Err(self.message(&format!("{name} out of range"))),
        }
    }

    /// The hour alone may have a single digit.
    fn hour(&mut self) -> Result<(), String> {
        let digits = self.rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(self.mismatch(self.rest, "15"));
        }
        let hour = self.number("15", digits)?;
        if hour < 24 { Ok(()) } else { Err(self.message("hour out of range")) }
    }

    /// A fraction is accepted although the layout has none.
    fn fraction(&mut self) {
        if let Some(digits) = self.rest.strip_prefix(['.', ',']) {
            let after = digits.trim_start_matches(|c: char| c.is_ascii_digit());
            if after.len() < digits.len() {
                self.rest = after;
            }
        }
    }

    fn micros(&mut self) -> Result<(), String> {
        let what = ".000000";
        let fits = self
            .rest
            .get(..what.len())
            .is_some_and(|text| text.strip_prefix(['.', ',']).is_some_and(is_digits));
        if !fits {
            return Err(self.mismatch(self.rest, what));
        }
        self.rest = &self.rest[what.len()..];
        Ok(())
    }

    fn zone(&mut self) -> Result<(), String> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(());
        }
        let offset = self.rest.get(..6).and_then(|text| {
            let (hour, minute) = text.strip_prefix(['+', '-'])?.split_once(':')?;
            let number = |text: &str| text.parse::<u32>().ok().filter(|_| is_digits(text));
            (hour.len() == 2).then_some((number(hour)?, number(minute)?))
        });
        let Some((hour, minute)) = offset else { return Err(self.mismatch(self.rest, "Z07:00")) };
        if hour > 24 {
            return Err(self.message("time zone offset hour out of range"));
        }
        if minute > 60 {
            return Err(self.message("time zone offset minute out of range"));
        }
        self.rest = &self.rest[6..];
        Ok(())
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn days_in(month: u32, year: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_is_told_in_the_words_of_go() {
        let layout = "2006-01-02T15:04:05Z07:00";
        let check = |text: &str, wanted: &str| {
            let error = super::check(text, false).unwrap_err();
            assert_eq!(error, format!("parsing time {text:?}{wanted}"));
        };
        let mismatch = |text: &str, at: &str, what: &str| {
            check(text, &format!(" as {layout:?}: cannot parse {at:?} as {what:?}"));
        };
        mismatch("yesterday", "yesterday", "2006");
        mismatch("2026-01-01", "", "T");
        mismatch("2026-01-01T00:00:00", "", "Z07:00");
        mismatch("2026-1-01T00:00:00Z", "1-01T00:00:00Z", "01");
        mismatch("2026-01-01T00:00:00+0100", "+0100", "Z07:00");
        check("2026-13-01T00:00:00Z", ": month out of range");
        check("2026-02-30T00:00:00Z", ": day out of range");
        check("2026-01-01T24:00:00Z", ": hour out of range");
        check("2026-01-01T00:00:00Zx", ": extra text: \"x\"");
    }

    #[test]
    fn times_of_the_api_are_accepted() {
        for text in ["2026-01-01T00:00:00Z", "2024-02-29T1:00:00+01:00", "2026-01-01T00:00:00.5Z"] {
            assert_eq!(check(text, false), Ok(()), "{text}");
        }
        assert_eq!(check("2026-01-01T00:00:00.000001-07:00", true), Ok(()));
        assert!(check("2026-01-01T00:00:00Z", true).is_err());
    }
}
