//! What the owner of containers asks without running anything: habits of images, and connections of
//! its own.

use std::sync::LazyLock;

use super::net::{self, Listener, Network, Reached};
use super::process::Signal;
use super::{catalogue, image};
use crate::base::{Map, Str};

/// The signal that an image asks to be stopped with.
pub fn stop_signal(image: &str) -> Signal {
    catalogue::by_image(image).map_or(Signal::TERM, |s| s.stop_signal)
}

/// The image's own entry point, for a container that gives arguments alone: none for images whose
/// command is all they have, and none before a shell.
pub fn entrypoint(image: &str, args: &[Str]) -> Vec<Str> {
    let shell =
        args.first().is_some_and(|a| matches!(a.rsplit('/').next(), Some("sh" | "bash" | "ash")));
    match catalogue::by_image(image) {
        Some(service) if !shell => service.entrypoint.iter().map(|w| Str::new_static(w)).collect(),
        Some(_) | None => Vec::new(),
    }
}

/// Whether a container of that image and command is planned: it then needs no files to start with.
pub fn is_planned(image: &str, argv: Option<&[Str]>) -> bool {
    let known = image::image(image);
    match argv {
        None => {
            catalogue::by_image(image).is_some()
                || image::default_command(image).is_none() && !known.complete
        }
        Some(argv) => catalogue::by_command(argv).is_some() && !known.complete,
    }
}

/// What the agent's own connection meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialled {
    /// A server that does not speak HTTP, or was not asked for a page.
    Open,
    /// An answer to `GET` of the page.
    Answered {
        /// The status.
        status: u16,
        /// After how long it came.
        delay: std::time::Duration,
    },
    /// Nobody listens.
    Refused,
    /// No answer at all.
    Silent,
}

/// Connects to an address from a node, and asks for a page if a path is given.
pub fn dial(network: &Network, to: std::net::SocketAddr, path: Option<&str>) -> Dialled {
    match network.reach(to, 0) {
        Reached::Refused => Dialled::Refused,
        Reached::Nothing => Dialled::Silent,
        Reached::Open(Listener::Http(rules)) => match path {
            None => Dialled::Open,
            Some(path) => {
                let request = net::http::Received {
                    method: "GET".to_owned(),
                    path: path.to_owned(),
                    head: format!("GET {path} HTTP/1.1"),
                    body: Vec::new(),
                };
                let reply = net::http::answer(&rules, &request);
                Dialled::Answered { status: reply.status, delay: reply.delay }
            }
        },
        Reached::Open(Listener::Tcp(server)) if path.is_some() => {
            match net::http::status(&server.banner) {
                Some(status) => Dialled::Answered { status, delay: std::time::Duration::ZERO },
                None => Dialled::Open,
            }
        }
        Reached::Open(_) => Dialled::Open,
    }
}

/// The user that an image's program runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageUser {
    /// By number; an image that names none has 0.
    Number(u32),
    /// By a name that only the image itself could resolve.
    Name(&'static str),
    /// The image is not known.
    Unknown,
}

/// Users of known images that are not root, by the last part of the image's name.
const USERS: &[(&str, ImageUser)] = &[
    ("nginx-unprivileged", ImageUser::Number(101)),
    ("pause", ImageUser::Number(65535)),
    ("curl", ImageUser::Name("curl_user")),
    ("memcached", ImageUser::Name("memcache")),
    ("grafana", ImageUser::Number(472)),
    ("prometheus", ImageUser::Name("nobody")),
    ("node-exporter", ImageUser::Name("nobody")),
    ("elasticsearch", ImageUser::Number(1000)),
    ("opensearch", ImageUser::Number(1000)),
    ("jenkins", ImageUser::Name("jenkins")),
    ("kafka", ImageUser::Name("appuser")),
    ("cp-kafka", ImageUser::Name("appuser")),
    ("fluentd", ImageUser::Name("fluent")),
    ("metrics-server", ImageUser::Number(65534)),
    ("kube-state-metrics", ImageUser::Number(65534)),
    ("logstash", ImageUser::Number(1000)),
];

/// The user that an image's program runs as.
pub fn image_user(image: &str) -> ImageUser {
    static BY_NAME: LazyLock<Map<&'static str, ImageUser>> =
        LazyLock::new(|| USERS.iter().copied().collect());
    if let Some(user) = BY_NAME.get(image::short_name(image)) {
        return *user;
    }
    let known = catalogue::by_image(image).is_some() || image::image(image).complete;
    if known { ImageUser::Number(0) } else { ImageUser::Unknown }
}
