//! Jobs and CronJobs. Follows `describeJob`, `describeCronJob`.

use serde_json::Value;

use super::super::printers::cells::{has, int, items, text, time};
use super::super::printers::duration::human;
use super::page::{Page, controller, date, plain, put, truth_if_set};
use super::workloads::selector_text;
use super::{Cluster, events, pods};

/// So many bytes of completed indexes are shown at least.
const INDEXES: usize = 50;

/// A Job.
pub(super) fn job(page: &mut Page, job: &Value, cluster: &Cluster<'_>) {
    page.head(job);
    put!(page, 0, "Selector:\t{}\n", selector_text(&job["spec"]["selector"]));
    page.meta(job);
    if let Some(by) = controller(job) {
        put!(page, 0, "Controlled By:\t{by}\n");
    }
    let given = |page: &mut Page, title: &str, field: &str| {
        if has(job, field) {
            put!(page, 0, "{title}:\t{}\n", plain(job, field, ""));
        }
    };
    given(page, "Parallelism", "/spec/parallelism");
    put!(page, 0, "Completions:\t{}\n", plain(job, "/spec/completions", "<unset>"));
    given(page, "Completion Mode", "/spec/completionMode");
    given(page, "Suspend", "/spec/suspend");
    given(page, "Backoff Limit", "/spec/backoffLimit");
    given(page, "TTL Seconds After Finished", "/spec/ttlSecondsAfterFinished");
    let (start, end) = (time(job, "/status/startTime"), time(job, "/status/completionTime"));
    for (title, field, at) in [
        ("Start Time", "/status/startTime", start),
        ("Completed At", "/status/completionTime", end),
    ] {
        if at.is_some() {
            put!(page, 0, "{title}:\t{}\n", date(job, field));
        }
    }
    if let (Some(start), Some(end)) = (start, end) {
        let took = human((end - start).num_nanoseconds().unwrap_or(i64::MAX));
        put!(page, 0, "Duration:\t{took}\n");
    }
    if has(job, "/spec/activeDeadlineSeconds") {
        let deadline = int(job, "/spec/activeDeadlineSeconds");
        put!(page, 0, "Active Deadline Seconds:\t{deadline}s\n");
    }
    let ready = match has(job, "/status/ready") {
        true => format!(" ({} Ready)", int(job, "/status/ready")),
        false => String::new(),
    };
    let [active, succeeded, failed] =
        ["active", "succeeded", "failed"].map(|f| int(job, &format!("/status/{f}")));
    put!(
        page,
        0,
        "Pods Statuses:\t{active} Active{ready} / {succeeded} Succeeded / {failed} Failed\n"
    );
    if text(job, "/spec/completionMode") == "Indexed" {
        put!(page, 0, "Completed Indexes:\t{}\n", indexes(text(job, "/status/completedIndexes")));
    }
    pods::template(page, &job["spec"]["template"]);
    events::describe(page, job, cluster);
}

/// A list of indexes, cut off behind a comma (`capIndexesListOrNone`).
fn indexes(list: &str) -> String {
    match list.get(INDEXES..).and_then(|rest| rest.find(',')) {
        _ if list.is_empty() => "<none>".to_owned(),
        Some(comma) => format!("{}...", &list[..=INDEXES + comma]),
        None => list.to_owned(),
    }
}

/// A CronJob.
pub(super) fn cron_job(page: &mut Page, cron: &Value, cluster: &Cluster<'_>) {
    page.head(cron);
    page.meta(cron);
    put!(page, 0, "Schedule:\t{}\n", text(cron, "/spec/schedule"));
    put!(page, 0, "Concurrency Policy:\t{}\n", text(cron, "/spec/concurrencyPolicy"));
    put!(page, 0, "Suspend:\t{}\n", truth_if_set(cron, "/spec/suspend"));
    for (title, field, unit) in [
        ("Time Zone", "/spec/timeZone", ""),
        ("Successful Job History Limit", "/spec/successfulJobsHistoryLimit", ""),
        ("Failed Job History Limit", "/spec/failedJobsHistoryLimit", ""),
        ("Starting Deadline Seconds", "/spec/startingDeadlineSeconds", "s"),
    ] {
        let unit = if has(cron, field) { unit } else { "" };
        put!(page, 0, "{title}:\t{}{unit}\n", plain(cron, field, "<unset>"));
    }
    let spec = &cron["spec"]["jobTemplate"]["spec"];
    match &spec["selector"] {
        Value::Null => put!(page, 0, "Selector:\t<unset>\n"),
        selector => put!(page, 0, "Selector:\t{}\n", selector_text(selector)),
    }
    put!(page, 0, "Parallelism:\t{}\n", plain(spec, "/parallelism", "<unset>"));
    put!(page, 0, "Completions:\t{}\n", plain(spec, "/completions", "<unset>"));
    if has(spec, "/activeDeadlineSeconds") {
        put!(page, 0, "Active Deadline Seconds:\t{}s\n", int(spec, "/activeDeadlineSeconds"));
    }
    pods::template(page, &spec["template"]);
    let last = match has(cron, "/status/lastScheduleTime") {
        true => date(cron, "/status/lastScheduleTime"),
        false => "<unset>".to_owned(),
    };
    put!(page, 0, "Last Schedule Time:\t{last}\n");
    let active: Vec<&str> =
        items(cron, "/status/active").iter().map(|j| text(j, "/name")).collect();
    let active = if active.is_empty() { "<none>".to_owned() } else { active.join(", ") };
    put!(page, 0, "Active Jobs:\t{active}\n");
    events::describe(page, cron, cluster);
}
