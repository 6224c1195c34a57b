//! Images of well-known services: what they listen on, how long until they do, how they stop.
//!
//! The figures are those of the official images started on an idle machine, rounded; a simulation can
//! override them. What an image is found by is the last part of its name, without tag and registry.

use std::sync::LazyLock;
use std::time::Duration;

use super::process::Signal;
use crate::base::{Map, Str};

/// What a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP; every path is answered with 200.
    Http,
    /// PostgreSQL.
    Postgres,
    /// Redis.
    Redis,
    /// Anything else over TCP.
    Tcp,
}

/// A service image.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    /// Names of the image.
    pub images: &'static [&'static str],
    /// What the image starts, as `kubectl describe` of its configuration would show it.
    pub entrypoint: &'static [&'static str],
    /// Programs that, given as a container's command, are this service too.
    pub programs: &'static [&'static str],
    /// Ports it listens on.
    pub ports: &'static [(u16, Protocol)],
    /// From its start until it listens.
    pub ready_after: Duration,
    /// The signal that the image asks to be stopped with.
    pub stop_signal: Signal,
    /// The status after that signal, or after TERM.
    pub stop_code: u8,
    /// From that signal to its end.
    pub stop_after: Duration,
    /// Variables of which one must be set; without any it ends with status 1 and says so.
    pub needs_one_of: &'static [&'static str],
    /// What it says then.
    pub complaint: &'static str,
}

const fn service(
    images: &'static [&'static str],
    entrypoint: &'static [&'static str],
    programs: &'static [&'static str],
    ports: &'static [(u16, Protocol)],
    ready_ms: u64,
) -> Service {
    Service {
        images,
        entrypoint,
        programs,
        ports,
        ready_after: Duration::from_millis(ready_ms),
        stop_signal: Signal::TERM,
        stop_code: 0,
        stop_after: Duration::ZERO,
        needs_one_of: &[],
        complaint: "",
    }
}

/// The catalogue.
pub static SERVICES: &[Service] = &[
    Service {
        stop_signal: Signal::QUIT,
        ..service(
            &["nginx", "nginx-slim", "nginx-unprivileged"],
            &["/docker-entrypoint.sh", "nginx", "-g", "daemon off;"],
            &["nginx"],
            &[(80, Protocol::Http)],
            100,
        )
    },
    service(
        &["httpd", "apache"],
        &["httpd-foreground"],
        &["httpd-foreground", "httpd", "apache2"],
        &[(80, Protocol::Http)],
        100,
    ),
    service(&["caddy"], &["caddy", "run"], &["caddy"], &[(80, Protocol::Http)], 100),
    service(
        &["traefik"],
        &["/entrypoint.sh", "traefik"],
        &["traefik"],
        &[(80, Protocol::Http)],
        300,
    ),
    service(&["haproxy"], &["docker-entrypoint.sh", "haproxy"], &["haproxy"], &[], 100),
    service(
        &["envoy"],
        &["/docker-entrypoint.sh", "envoy"],
        &["envoy"],
        &[(10000, Protocol::Http)],
        500,
    ),
    service(
        &["php-apache", "hpa-example"],
        &["docker-php-entrypoint", "apache2-foreground"],
        &["apache2-foreground"],
        &[(80, Protocol::Http)],
        200,
    ),
    service(
        &["hello-app", "echoserver", "http-echo", "whoami", "guestbook-go"],
        &["/server"],
        &[],
        &[(8080, Protocol::Http)],
        100,
    ),
    service(&["agnhost"], &["/agnhost", "pause"], &["/agnhost"], &[(8080, Protocol::Http)], 100),
    service(&["pause"], &["/pause"], &["/pause"], &[], 0),
    service(
        &["redis", "valkey"],
        &["docker-entrypoint.sh", "redis-server"],
        &["redis-server", "valkey-server"],
        &[(6379, Protocol::Redis)],
        200,
    ),
    service(
        &["memcached"],
        &["docker-entrypoint.sh", "memcached"],
        &["memcached"],
        &[(11211, Protocol::Tcp)],
        50,
    ),
    Service {
        stop_signal: Signal::INT,
        stop_after: Duration::from_millis(200),
        needs_one_of: &["POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE", "POSTGRES_HOST_AUTH_METHOD"],
        complaint: "Error: Database is uninitialized and superuser password is not specified.\n",
        ..service(
            &["postgres", "postgis"],
            &["docker-entrypoint.sh", "postgres"],
            &["postgres"],
            &[(5432, Protocol::Postgres)],
            3000,
        )
    },
    Service {
        stop_after: Duration::from_secs(1),
        needs_one_of: &[
            "MYSQL_ROOT_PASSWORD",
            "MYSQL_ALLOW_EMPTY_PASSWORD",
            "MYSQL_RANDOM_ROOT_PASSWORD",
            "MARIADB_ROOT_PASSWORD",
            "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD",
            "MARIADB_RANDOM_ROOT_PASSWORD",
            "MYSQL_ROOT_PASSWORD_FILE",
        ],
        complaint: "[ERROR] [Entrypoint]: Database is uninitialized and password option is not specified\n",
        ..service(
            &["mysql", "mariadb", "percona"],
            &["docker-entrypoint.sh", "mysqld"],
            &["mysqld", "mariadbd"],
            &[(3306, Protocol::Tcp)],
            8000,
        )
    },
    Service {
        stop_after: Duration::from_millis(500),
        ..service(
            &["mongo", "mongodb"],
            &["docker-entrypoint.sh", "mongod"],
            &["mongod"],
            &[(27017, Protocol::Tcp)],
            1500,
        )
    },
    Service {
        stop_after: Duration::from_secs(2),
        ..service(
            &["rabbitmq"],
            &["docker-entrypoint.sh", "rabbitmq-server"],
            &["rabbitmq-server"],
            &[(5672, Protocol::Tcp)],
            8000,
        )
    },
    Service {
        stop_code: 143,
        stop_after: Duration::from_secs(1),
        ..service(
            &["kafka", "cp-kafka"],
            &["/__cacert_entrypoint.sh", "/etc/kafka/docker/run"],
            &["kafka-server-start.sh"],
            &[(9092, Protocol::Tcp)],
            6000,
        )
    },
    Service {
        stop_code: 143,
        ..service(
            &["zookeeper", "kubernetes-zookeeper"],
            &["/docker-entrypoint.sh", "zkServer.sh", "start-foreground"],
            &["zkServer.sh"],
            &[(2181, Protocol::Tcp)],
            2000,
        )
    },
    Service {
        stop_code: 143,
        stop_after: Duration::from_secs(1),
        ..service(
            &["cassandra"],
            &["docker-entrypoint.sh", "cassandra", "-f"],
            &["cassandra"],
            &[(9042, Protocol::Tcp)],
            20_000,
        )
    },
    Service {
        stop_code: 143,
        stop_after: Duration::from_secs(1),
        ..service(
            &["elasticsearch", "opensearch"],
            &["/usr/local/bin/docker-entrypoint.sh", "eswrapper"],
            &["elasticsearch"],
            &[(9200, Protocol::Http)],
            15_000,
        )
    },
    service(&["etcd"], &["etcd"], &["etcd"], &[(2379, Protocol::Http)], 300),
    service(
        &["consul"],
        &["docker-entrypoint.sh", "agent", "-dev"],
        &["consul"],
        &[(8500, Protocol::Http)],
        1000,
    ),
    service(
        &["vault"],
        &["docker-entrypoint.sh", "server", "-dev"],
        &["vault"],
        &[(8200, Protocol::Http)],
        1000,
    ),
    service(
        &["nats"],
        &["/nats-server"],
        &["nats-server", "/nats-server"],
        &[(4222, Protocol::Tcp)],
        50,
    ),
    service(
        &["minio"],
        &["/usr/bin/docker-entrypoint.sh", "minio"],
        &["minio"],
        &[(9000, Protocol::Http)],
        500,
    ),
    service(
        &["fluentd", "fluentd-elasticsearch", "fluentd-kubernetes-daemonset"],
        &["tini", "--", "/bin/entrypoint.sh", "fluentd"],
        &["fluentd", "/run.sh"],
        &[(24224, Protocol::Tcp)],
        1000,
    ),
    service(
        &["fluent-bit"],
        &["/fluent-bit/bin/fluent-bit"],
        &["/fluent-bit/bin/fluent-bit"],
        &[(2020, Protocol::Http)],
        300,
    ),
    service(
        &["filebeat", "logstash"],
        &["/usr/local/bin/docker-entrypoint"],
        &["filebeat", "logstash"],
        &[],
        2000,
    ),
    service(
        &["node-exporter"],
        &["/bin/node_exporter"],
        &["/bin/node_exporter", "node_exporter"],
        &[(9100, Protocol::Http)],
        100,
    ),
    service(
        &["prometheus"],
        &["/bin/prometheus"],
        &["prometheus", "/bin/prometheus"],
        &[(9090, Protocol::Http)],
        500,
    ),
    service(&["grafana"], &["/run.sh"], &["grafana-server"], &[(3000, Protocol::Http)], 2000),
    service(
        &["coredns"],
        &["/coredns"],
        &["/coredns", "coredns"],
        &[(53, Protocol::Tcp), (8080, Protocol::Http), (8181, Protocol::Http)],
        200,
    ),
    service(
        &["kube-proxy", "metrics-server", "kube-state-metrics"],
        &["/metrics-server"],
        &["/metrics-server"],
        &[(10250, Protocol::Http)],
        1000,
    ),
    Service {
        stop_code: 143,
        ..service(
            &["tomcat", "jetty"],
            &["catalina.sh", "run"],
            &["catalina.sh"],
            &[(8080, Protocol::Http)],
            3000,
        )
    },
    Service {
        stop_code: 143,
        ..service(
            &["jenkins"],
            &["/usr/bin/tini", "--", "/usr/local/bin/jenkins.sh"],
            &[],
            &[(8080, Protocol::Http)],
            15_000,
        )
    },
    service(
        &["wordpress", "ghost", "drupal", "joomla"],
        &["docker-entrypoint.sh", "apache2-foreground"],
        &[],
        &[(80, Protocol::Http)],
        1500,
    ),
    service(
        &["registry"],
        &["/entrypoint.sh", "/etc/docker/registry/config.yml"],
        &[],
        &[(5000, Protocol::Http)],
        200,
    ),
];

/// Services by name, each with its place in the catalogue: the first to have a name has it.
type ByName = Map<&'static str, usize>;

fn by_name(names: impl Fn(&'static Service) -> &'static [&'static str]) -> ByName {
    let mut all = ByName::default();
    for (i, service) in SERVICES.iter().enumerate() {
        for name in names(service) {
            all.entry(name).or_insert(i);
        }
    }
    all
}

/// The service of an image.
pub(crate) fn by_image(name: &str) -> Option<&'static Service> {
    static IMAGES: LazyLock<ByName> = LazyLock::new(|| by_name(|service| service.images));
    IMAGES.get(super::image::short_name(name)).map(|i| &SERVICES[*i])
}

/// The service that a command starts: its program, perhaps behind an entrypoint script.
pub(crate) fn by_command(argv: &[Str]) -> Option<&'static Service> {
    static PROGRAMS: LazyLock<ByName> = LazyLock::new(|| by_name(|service| service.programs));
    argv.iter().take(3).find_map(|word| {
        let name = word.rsplit('/').next().unwrap_or(word);
        let found = [word.as_str(), name].into_iter().filter_map(|name| PROGRAMS.get(name));
        found.min().map(|i| &SERVICES[*i])
    })
}

/// `python -m http.server` as the server of files that it is: the command of one that does the same.
pub(crate) fn http_server(argv: &[Str]) -> Option<Vec<Str>> {
    let program = argv.first()?.rsplit('/').next()?;
    let rest = argv.get(1..)?;
    let module = rest.iter().position(|a| a == "-m")?;
    if !program.starts_with("python") || rest.get(module + 1)? != "http.server" {
        return None;
    }
    let (mut port, mut folder) = (Str::new_static("8000"), Str::new_static("."));
    let mut options = rest[module + 2..].iter();
    while let Some(option) = options.next() {
        match option.as_str() {
            "-d" | "--directory" => folder = options.next()?.clone(),
            "-b" | "--bind" => drop(options.next()),
            word if word.bytes().all(|b| b.is_ascii_digit()) => port = option.clone(),
            _ => {}
        }
    }
    let words = ["httpd".into(), "-f".into(), "-p".into(), port, "-h".into(), folder];
    Some(words.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_server_of_files_is_known() {
        let server = |words: &[&str]| {
            let argv: Vec<Str> = words.iter().map(|&w| w.into()).collect();
            http_server(&argv).map(|argv| argv.join(" "))
        };
        assert_eq!(server(&["python3", "-m", "http.server"]).unwrap(), "httpd -f -p 8000 -h .");
        assert_eq!(
            server(&["/usr/bin/python", "-u", "-m", "http.server", "80", "-d", "/w"]).unwrap(),
            "httpd -f -p 80 -h /w"
        );
        assert_eq!(server(&["python3", "app.py"]), None);
    }

    #[test]
    fn services_are_found_by_image_or_program() {
        assert_eq!(
            by_image("docker.io/library/nginx:1.27").map(|s| s.stop_signal),
            Some(Signal::QUIT)
        );
        assert_eq!(
            by_command(&["/usr/local/bin/redis-server".into()]).map(|s| s.images[0]),
            Some("redis")
        );
        assert_eq!(by_image("example.com/my/app"), None);
    }
}
