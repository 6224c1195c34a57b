//! Texts of completion indexes, `1,3-5,7`. After `pkg/apis/batch/validation/validation.go`.

use crate::api::validate::quote;

/// How many indexes a text names (`validateIndexesFormat`).
pub(super) fn count(text: &str, completions: i64) -> Result<i64, String> {
    let mut last: Option<i64> = None;
    let mut total = 0;
    for interval in text.split(',').filter(|_| !text.is_empty()) {
        let (first, end) = parse(interval, completions)?;
        if let Some(last) = last
            && last >= first
        {
            return Err(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

/// `parseIndexInterval`.
fn parse(interval: &str, completions: i64) -> Result<(i64, i64), String> {
    let limits: Vec<&str> = interval.split('-').collect();
    if limits.len() > 2 {
        return Err(format!(
            "the fragment {} violates the requirement that an index interval can have at most two parts separated by '-'",
            quote(interval)
        ));
    }
    let number = |text: &str| {
        let parsed: i64 = text
            .parse()
            .map_err(|_| format!("cannot convert string to integer for index: {}", quote(text)))?;
        if parsed >= completions {
            return Err(format!("too large index: {}", quote(text)));
        }
        Ok(parsed)
    };
    let first = number(limits[0])?;
    let Some(second) = limits.get(1) else { return Ok((first, first)) };
    let end = number(second)?;
    if first >= end {
        return Err(format!("non-increasing order, previous: {first}, current: {end}"));
    }
    Ok((first, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_rise_and_stay_below_the_completions() {
        assert_eq!(count("", 5), Ok(0));
        assert_eq!(count("0,2-4", 5), Ok(4));
        assert_eq!(count("2-4,4", 5), Err("non-increasing order, previous: 4, current: 4".into()));
        assert_eq!(count("5", 5), Err("too large index: \"5\"".into()));
    }
}
