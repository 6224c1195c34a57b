//! Numbers that are given outright or as a percentage.
//!
//! Follows `staging/src/k8s.io/apimachinery/pkg/util/intstr/intstr.go`,
//! `GetScaledValueFromIntOrPercent`.

use crate::model::wire::IntOrString;

/// A text that is no percentage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid value for IntOrString: {0}")]
pub struct ScaleError(
    /// Why not.
    pub String,
);

/// The number itself, or that percentage of `total`, rounded up or down.
///
/// # Errors
/// A text that is no percentage.
pub fn scaled(value: &IntOrString, total: i32, round_up: bool) -> Result<i32, ScaleError> {
    let percent = match value {
        IntOrString::Int(n) => return Ok(*n),
        IntOrString::String(text) => {
            let digits = text
                .strip_suffix('%')
                .ok_or_else(|| ScaleError("invalid type: string is not a percentage".into()))?;
            digits.parse::<i64>().map_err(|_| {
                ScaleError(format!(
                    "invalid value {text:?}: strconv.Atoi: parsing {digits:?}: invalid syntax"
                ))
            })?
        }
    };
    let hundredfold = percent.saturating_mul(i64::from(total));
    let down = hundredfold.div_euclid(100);
    let up = i64::from(round_up && hundredfold.rem_euclid(100) != 0);
    Ok(i32::try_from(down + up).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_rounded_as_asked() {
        let of = |text: &str, total, up| scaled(&IntOrString::String(text.into()), total, up);
        assert_eq!((of("25%", 10, true), of("25%", 10, false)), (Ok(3), Ok(2)));
        assert_eq!(scaled(&IntOrString::Int(7), 3, true), Ok(7));
        assert!(of("25", 10, true).is_err() && of("x%", 10, true).is_err());
    }
}
