//! What the annotations of a pod tell of its programs.
//!
//! `wavetank.dev/KEY` is about all containers of the pod, `wavetank.dev/KEY.CONTAINER` about one; the keys
//! are those of [`behavior::KEYS`](crate::container::behavior::KEYS). What is told of an image holds for all
//! containers of it, where the pod's own annotations do not say otherwise.

use crate::base::Str;
use crate::base::wildcard::fits;
use crate::container::behavior::Behavior;
use crate::model::{Container, Labels, Pod};

/// What the annotations that are about behaviours begin with.
const PREFIX: &str = "wavetank.dev/";

/// What is told of the programs of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageBehavior {
    /// The image as pods name it; `*` stands for any characters.
    pub image: Str,
    /// What its program does: keys of [`KEYS`](crate::container::behavior::KEYS) and values, which can be
    /// read.
    pub told: Vec<(Str, Str)>,
}

/// What is told of a container; `None` where nothing is.
pub(super) fn of(pod: &Pod, container: &Container, images: &[ImageBehavior]) -> Option<Behavior> {
    let mut told: Option<Behavior> = None;
    for (key, value) in
        images.iter().filter(|b| fits(&b.image, &container.image)).flat_map(|b| &b.told)
    {
        // What cannot be read was refused with the file that says it.
        drop(told.get_or_insert_with(Behavior::default).set(key, value));
    }
    read(&pod.meta.annotations, &container.name, told).0
}

/// What of it cannot be read: annotation and complaint.
pub(super) fn problems(pod: &Pod, container: &str) -> Vec<(Str, String)> {
    read(&pod.meta.annotations, container, None).1
}

fn read(
    annotations: &Labels,
    container: &str,
    mut told: Option<Behavior>,
) -> (Option<Behavior>, Vec<(Str, String)>) {
    let mut problems = Vec::new();
    // What is told of the one container comes after what is told of all.
    for own in [false, true] {
        for (name, value) in annotations.iter() {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let (key, of) = rest.split_once('.').map_or((rest, None), |(key, of)| (key, Some(of)));
            if of.is_some() != own || of.is_some_and(|of| of != container) {
                continue;
            }
            if let Err(problem) = told.get_or_insert_with(Behavior::default).set(key, value) {
                problems.push((name.clone(), problem));
            }
        }
    }
    (told, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_one_container_stands_over_what_is_told_of_all() {
        let annotations: Labels = [
            ("wavetank.dev/memory.app", "1Mi"),
            ("wavetank.dev/memory", "2Mi"),
            ("wavetank.dev/duration.other", "1s"),
            ("wavetank.dev/speed", "fast"),
            ("example.com/memory", "3Mi"),
        ]
        .into_iter()
        .map(|(k, v)| (Str::from(k), Str::from(v)))
        .collect();
        let memory = |container: &str| {
            let (told, problems) = read(&annotations, container, None);
            assert_eq!(problems.len(), 1, "{problems:?}");
            told.unwrap().memory.unwrap().at(std::time::Duration::ZERO) >> 20
        };
        assert_eq!((memory("app"), memory("side")), (1, 2));
        assert!(!read(&annotations, "app", None).0.unwrap().tells_program());
        assert!(read(&annotations, "other", None).0.unwrap().tells_program());
        assert_eq!(read(&Labels::default(), "app", None), (None, Vec::new()));
    }
}
