//! A container's network: which one, its ports on the node, and the address that the server is told.
//!
//! Firewalls are the engine's business.

use super::{Engine, EngineError, refused};
use bollard::models::{NetworkCreateRequest, PortBinding, PortMap};
use roost_wire::{node_config::DockerNetwork, remote::Allocations};
use std::collections::{BTreeSet, HashMap};

const LOCALHOST: &str = "127.0.0.1";

/// Ports as the engine takes them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Ports {
    /// `25565/tcp` and so on.
    pub(super) exposed: Vec<String>,
    /// Each of them and where it is reached on the node.
    pub(super) bindings: PortMap,
}

/// Each port as TCP and as UDP, on the same port of its address.
pub(super) fn ports(allocations: &Allocations, network: &DockerNetwork) -> Ports {
    let mut bindings: HashMap<String, BTreeSet<(String, u16)>> = HashMap::new();
    for (ip, list) in &allocations.mappings {
        for port in list.iter().filter(|port| **port != 0) {
            for protocol in ["tcp", "udp"] {
                bindings
                    .entry(format!("{port}/{protocol}"))
                    .or_default()
                    .insert((reachable(ip, network).to_owned(), *port));
            }
        }
    }
    let mut exposed: Vec<_> = bindings.keys().cloned().collect();
    exposed.sort();
    let bindings = bindings
        .into_iter()
        .map(|(port, places)| {
            let places = places.into_iter().map(|(ip, port)| PortBinding {
                host_ip: Some(ip),
                host_port: Some(port.to_string()),
            });
            (port, Some(places.collect()))
        })
        .collect();
    Ports { exposed, bindings }
}

/// A server on 127.0.0.1 is meant for its neighbours on the node. In a container that address is the container's own,
/// so the network's gateway takes its place where the node's configuration names it.
pub(super) fn reachable<'a>(ip: &'a str, network: &'a DockerNetwork) -> &'a str {
    if ip == LOCALHOST && !network.interface.is_empty() {
        &network.interface
    } else {
        ip
    }
}

/// The network of a server: the node's, or one whose outgoing connections leave from the server's main address.
fn wanted(allocations: &Allocations, network: &DockerNetwork) -> (String, HashMap<String, String>) {
    let ip = &allocations.default.ip;
    if allocations.force_outgoing_ip && !ip.is_empty() {
        let option = ("com.docker.network.host_ipv4".to_owned(), ip.clone());
        return (
            format!("ip-{}", ip.replace(['.', ':'], "-")),
            HashMap::from([option]),
        );
    }
    let name = if network.name.is_empty() {
        "bridge"
    } else {
        &network.name
    };
    (name.to_owned(), HashMap::new())
}

impl Engine {
    /// The network's name. It is made, if it is missing.
    pub(super) async fn ready_network(
        &self,
        allocations: &Allocations,
        network: &DockerNetwork,
    ) -> Result<String, EngineError> {
        let (name, options) = wanted(allocations, network);
        if matches!(name.as_str(), "bridge" | "host" | "none") {
            return Ok(name);
        }
        let client = self.client().await?;
        match client.inspect_network(&name, None).await {
            Ok(_) => return Ok(name),
            Err(e) if refused(&e) == Some(404) => {}
            Err(e) => return Err(self.failed("look at the network", e)),
        }
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            options: (!options.is_empty()).then_some(options),
            ..NetworkCreateRequest::default()
        };
        match client.create_network(request).await {
            Ok(_) => Ok(name),
            // Another server's start has made it meanwhile.
            Err(e) if refused(&e) == Some(409) => Ok(name),
            Err(e) => Err(self.failed("make the network", e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::remote::Allocation;
    use std::collections::BTreeMap;

    fn allocations(mappings: &[(&str, &[u16])]) -> Allocations {
        Allocations {
            default: Allocation {
                ip: "10.0.0.5".to_owned(),
                port: 25565,
            },
            mappings: mappings
                .iter()
                .map(|(ip, ports)| ((*ip).to_owned(), ports.to_vec()))
                .collect::<BTreeMap<_, _>>(),
            ..Allocations::default()
        }
    }

    #[test]
    fn each_port_is_bound_for_tcp_and_udp_on_its_own_address() {
        let ports = ports(
            &allocations(&[("10.0.0.5", &[25565, 0]), ("10.0.0.6", &[25565])]),
            &DockerNetwork::default(),
        );
        assert_eq!(ports.exposed, ["25565/tcp", "25565/udp"]);
        let places = ports.bindings["25565/udp"].as_ref().unwrap();
        let ips: Vec<_> = places
            .iter()
            .filter_map(|place| place.host_ip.as_deref())
            .collect();
        assert_eq!(ips, ["10.0.0.5", "10.0.0.6"]);
        assert!(
            places
                .iter()
                .all(|place| place.host_port.as_deref() == Some("25565"))
        );
    }

    #[test]
    fn localhost_becomes_the_gateway_where_one_is_named() {
        let named = DockerNetwork {
            interface: "172.18.0.1".to_owned(),
            ..DockerNetwork::default()
        };
        assert_eq!(reachable("127.0.0.1", &named), "172.18.0.1");
        assert_eq!(reachable("10.0.0.5", &named), "10.0.0.5");
        assert_eq!(reachable("127.0.0.1", &DockerNetwork::default()), "127.0.0.1");
    }

    #[test]
    fn a_forced_outgoing_address_has_a_network_of_its_own() {
        let mut allocations = allocations(&[]);
        assert_eq!(wanted(&allocations, &DockerNetwork::default()).0, "bridge");
        allocations.force_outgoing_ip = true;
        let (name, options) = wanted(&allocations, &DockerNetwork::default());
        assert_eq!(name, "ip-10-0-0-5");
        assert_eq!(options["com.docker.network.host_ipv4"], "10.0.0.5");
    }
}
