//! What a server's container looks like: settings from the panel and the node in, the engine's request out.
//!
//! Nothing here talks to an engine. What the engine makes of it is proved by the Docker tests.

use super::{DockerRules, EngineError, limits, mounts, network};
use crate::runtime::Launch;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, ImageConfig};
use roost_wire::remote::Settings;
use std::collections::HashMap;
use uuid::Uuid;

/// Label of Roost's containers, as other daemons use it.
pub(super) const LABEL_SERVICE: &str = "Service";
/// Label: what the container is for.
pub(super) const LABEL_TYPE: &str = "ContainerType";
/// Value of [`LABEL_TYPE`] of a server's own container.
pub(super) const TYPE_SERVER: &str = "server_process";
/// Value of [`LABEL_TYPE`] of an installer.
pub(super) const TYPE_INSTALLER: &str = "server_installer";
/// Label: the run that the container is.
pub(super) const LABEL_RUN: &str = "roost.run";
/// Label: the server that it belongs to.
pub(super) const LABEL_SERVER: &str = "roost.server";

/// What servers do without; none of them is needed to listen on a port above 1023 and to own one's files.
const DROPPED_CAPABILITIES: [&str; 10] = [
    "SETPCAP",
    "MKNOD",
    "AUDIT_WRITE",
    "NET_RAW",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "SETFCAP",
];
/// Variables that a server's environment can't override.
const FIXED: [&str; 5] = ["TZ", "STARTUP", "SERVER_MEMORY", "SERVER_IP", "SERVER_PORT"];

/// The container of a server. `network` is ready and `image` is what the image says of itself; the sentences are for
/// the console.
pub(super) fn server(
    launch: &Launch,
    rules: &DockerRules,
    reference: &str,
    image: &ImageConfig,
    network: String,
    podman: bool,
) -> Result<(ContainerCreateBody, Vec<String>), EngineError> {
    let given = !launch.roost.command.is_empty();
    if !given && is_empty(image.entrypoint.as_ref()) && is_empty(image.cmd.as_ref()) {
        return Err(EngineError::Unusable(format!(
            "The image {reference} has no command of its own: give the server one with --command, or choose an image \
             that has one."
        )));
    }
    let (mut folders, refused) = mounts::allowed(&launch.settings.mounts, &rules.allowed_mounts);
    folders.insert(0, mounts::bind(&launch.dir, mounts::HOME, false));

    let mut host = host_config(rules, network, podman);
    limits::apply(
        &launch.settings.build,
        rules.docker.container_pid_limit,
        &mut host,
    );
    host.mounts = Some(folders);
    host.readonly_rootfs = Some(true);
    host.security_opt = Some(vec!["no-new-privileges".to_owned()]);
    host.cap_drop = Some(DROPPED_CAPABILITIES.map(str::to_owned).to_vec());
    // As the container's first process a program that handles no signal gets none: it could only be killed. Images that
    // run by themselves have taken care of that.
    host.init = (given && !podman).then_some(true);
    let (columns, rows) = launch.roost.terminal;
    // Engines before API 1.42 take no notice: the size is set again once the container runs.
    host.console_size = Some(vec![rows.into(), columns.into()]);
    let mut ports = network::Ports::default();
    if !matches!(host.network_mode.as_deref(), Some("host" | "none")) {
        ports = network::ports(&launch.settings.allocations, &rules.docker.network);
    }
    host.port_bindings = Some(ports.bindings);

    let mut labels: HashMap<String, String> = launch.settings.labels.clone().into_iter().collect();
    labels.extend(own_labels(launch.uuid, launch.run, TYPE_SERVER));
    let mut env = environment(&launch.settings, launch, rules);
    let image_env = image.env.as_deref().unwrap_or_default();
    if !image_env
        .iter()
        .chain(&env)
        .any(|entry| entry.starts_with("HOME="))
    {
        env.push(format!("HOME={}", mounts::HOME));
    }
    let body = ContainerCreateBody {
        hostname: Some(launch.uuid.to_string()),
        user: (!rules.user.is_empty()).then(|| rules.user.clone()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(true),
        open_stdin: Some(true),
        exposed_ports: Some(ports.exposed),
        env: Some(env),
        image: Some(reference.to_owned()),
        // The whole command as the entrypoint: then neither the image's entrypoint nor its command is left of it.
        entrypoint: given.then(|| launch.roost.command.clone()),
        cmd: given.then(Vec::new),
        working_dir: image
            .working_dir
            .as_deref()
            .is_none_or(|dir| matches!(dir, "" | "/"))
            .then(|| mounts::HOME.to_owned()),
        labels: Some(labels),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    };
    Ok((body, refused))
}

/// What all containers of a node have in common.
pub(super) fn host_config(rules: &DockerRules, network: String, podman: bool) -> HostConfig {
    let tmp = format!("rw,exec,nosuid,size={}M", rules.docker.tmpfs_size);
    let dns = rules.docker.network.dns.clone();
    HostConfig {
        tmpfs: Some(HashMap::from([("/tmp".to_owned(), tmp)])),
        log_config: Some(log_config(podman)),
        network_mode: Some(network),
        dns: (!dns.is_empty()).then_some(dns),
        ..HostConfig::default()
    }
}

/// The engine's own log, out of which a hole is filled when engine or keeper has failed. Blocking: the stock default
/// drops lines of a burst.
fn log_config(podman: bool) -> HostConfigLogConfig {
    let options: &[(&str, &str)] = &[
        ("max-size", "20m"),
        ("max-file", "3"),
        ("compress", "false"),
        ("mode", "blocking"),
    ];
    // Podman has one file, no `local` driver, and refuses options that it doesn't know.
    let (driver, options) = if podman {
        ("k8s-file", &options[..1])
    } else {
        ("local", options)
    };
    HostConfigLogConfig {
        typ: Some(driver.to_owned()),
        config: Some(
            options
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        ),
    }
}

pub(super) fn own_labels(server: Uuid, run: Uuid, kind: &str) -> [(String, String); 4] {
    [
        (LABEL_SERVICE.to_owned(), "Roost".to_owned()),
        (LABEL_TYPE.to_owned(), kind.to_owned()),
        (LABEL_SERVER.to_owned(), server.to_string()),
        (LABEL_RUN.to_owned(), run.to_string()),
    ]
}

/// The environment as the reference has it: five fixed variables, then the server's own.
pub(super) fn environment(settings: &Settings, launch: &Launch, rules: &DockerRules) -> Vec<String> {
    let default = &settings.allocations.default;
    let fixed = [
        launch.timezone.clone(),
        settings.invocation.clone(),
        settings.build.memory_limit.to_string(),
        network::reachable(&default.ip, &rules.docker.network).to_owned(),
        default.port.to_string(),
    ];
    let own = settings
        .environment
        .iter()
        .filter(|(key, _)| !FIXED.contains(&key.as_str()))
        .map(|(key, value)| format!("{key}={value}"));
    FIXED
        .iter()
        .zip(&fixed)
        .map(|(key, value)| format!("{key}={value}"))
        .chain(own)
        .collect()
}

fn is_empty(list: Option<&Vec<String>>) -> bool {
    list.is_none_or(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::remote::{Allocation, Build};

    fn launch(command: &[&str]) -> Launch {
        let mut settings: Settings =
            serde_json::from_value(serde_json::json!({"uuid": Uuid::nil()})).unwrap();
        settings.invocation = "java -jar server.jar".to_owned();
        settings.environment = [("SERVER_IP", "6.6.6.6"), ("WORLD", "w")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        settings.build = Build {
            memory_limit: 512,
            ..Build::default()
        };
        settings.allocations.default = Allocation {
            ip: "127.0.0.1".to_owned(),
            port: 25565,
        };
        settings.allocations.mappings = [("127.0.0.1".to_owned(), vec![25565])].into();
        settings.labels = [(LABEL_RUN.to_owned(), "forged".to_owned())].into();
        Launch {
            uuid: Uuid::from_u128(1),
            run: Uuid::from_u128(2),
            settings,
            roost: roost_wire::remote::RoostSettings {
                command: command.iter().map(|word| (*word).to_owned()).collect(),
                ..Default::default()
            },
            process: Default::default(),
            dir: "/srv/one".into(),
            keeper_dir: "/run/one".into(),
            timezone: "Europe/Berlin".to_owned(),
        }
    }

    fn rules() -> DockerRules {
        let mut rules = DockerRules {
            user: "700000:700000".to_owned(),
            ..DockerRules::default()
        };
        rules.docker.network.interface = "172.18.0.1".to_owned();
        rules
    }

    fn image(cmd: &[&str], dir: &str) -> ImageConfig {
        ImageConfig {
            cmd: Some(cmd.iter().map(|word| (*word).to_owned()).collect()),
            working_dir: Some(dir.to_owned()),
            ..ImageConfig::default()
        }
    }

    fn body(launch: &Launch, image: &ImageConfig) -> ContainerCreateBody {
        server(launch, &rules(), "i:1", image, "bridge".to_owned(), false)
            .unwrap()
            .0
    }

    #[test]
    fn the_server_s_environment_never_overrides_the_five() {
        let env = body(&launch(&[]), &image(&["x"], "")).env.unwrap();
        assert_eq!(
            env,
            [
                "TZ=Europe/Berlin",
                "STARTUP=java -jar server.jar",
                "SERVER_MEMORY=512",
                "SERVER_IP=172.18.0.1",
                "SERVER_PORT=25565",
                "WORLD=w",
                "HOME=/home/container",
            ]
        );
    }

    #[test]
    fn a_command_takes_the_place_of_entrypoint_and_command() {
        let given = body(&launch(&["./server", "-v"]), &image(&["other"], "/app"));
        assert_eq!(given.entrypoint.unwrap(), ["./server", "-v"]);
        assert_eq!(given.cmd, Some(Vec::new()));
        assert_eq!(given.working_dir, None, "the image's own is kept");
        let own = body(&launch(&[]), &image(&["other"], "/"));
        assert_eq!((own.entrypoint, own.cmd), (None, None));
        assert_eq!(own.working_dir.as_deref(), Some("/home/container"));
    }

    #[test]
    fn an_image_without_a_command_needs_one_and_the_error_says_so() {
        let empty = image(&[], "");
        let network = || "bridge".to_owned();
        let error = server(&launch(&[]), &rules(), "i:1", &empty, network(), false).unwrap_err();
        assert!(error.to_string().contains("--command"), "{error}");
        assert!(server(&launch(&["x"]), &rules(), "i:1", &empty, network(), false).is_ok());
    }

    #[test]
    fn own_labels_can_t_be_forged() {
        let labels = body(&launch(&[]), &image(&["x"], "")).labels.unwrap();
        assert_eq!(labels[LABEL_RUN], Uuid::from_u128(2).to_string());
        assert_eq!(labels[LABEL_TYPE], TYPE_SERVER);
    }

    #[test]
    fn ports_are_left_out_on_the_node_s_own_network() {
        let image = image(&["x"], "");
        let on = |network: &str| {
            let made = server(&launch(&[]), &rules(), "i:1", &image, network.to_owned(), false);
            made.unwrap().0.exposed_ports.unwrap().len()
        };
        assert_eq!((on("bridge"), on("host"), on("none")), (2, 0, 0));
    }
}
