//! What the pods of an Indexed Job are called.
//!
//! Follows `pkg/controller/job/indexed_job_utils.go` and `job_controller.go`, `manageJob`.

use smol_str::format_smolstr;

use crate::base::Str;

/// The host name of an index's pods.
pub fn hostname(job: &str, index: i64) -> Str {
    format_smolstr!("{job}-{index}")
}

/// The prefix of the names of an index's pods, cut so that the index stays
/// (`podGenerateNameWithIndex`).
pub fn generate_name(job: &str, index: i64) -> Str {
    /// `names.MaxGeneratedNameLength`.
    const LONGEST: usize = 58;
    let suffix = format_smolstr!("-{index}-");
    let room = LONGEST.saturating_sub(suffix.len());
    let kept = if job.len() > room { job.get(..room).unwrap_or(job) } else { job };
    format_smolstr!("{kept}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_before_its_index() {
        assert_eq!(generate_name("my-job", 1), "my-job-1-");
        let long = "y".repeat(60);
        assert_eq!(generate_name(&long, 123), format!("{}-123-", "y".repeat(53)));
        assert_eq!(generate_name(&long, 123).len(), 58);
    }
}
