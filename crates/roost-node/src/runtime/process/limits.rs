//! What a process may use and reach, and the sentences for what nothing keeps it from.
//!
//! Control groups are made in [`crate::runtime::cgroup`]; Landlock's rules in the keeper.

use crate::runtime::cgroup::{Lack, Limit};
use roost_keeper::spec::{Confine, Confined};
use roost_wire::remote::Build;
use std::path::{Path, PathBuf};

/// What people keep in their home directory that no program of theirs should hand out.
const SECRETS: [&str; 9] = [
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".netrc",
    ".git-credentials",
    ".config/roost",
];

/// Landlock's rules for a server that runs as the node's own user: it writes in its directory and in /tmp, and reads
/// everything but what is `private` and the user's keys.
pub(super) fn confine(private: &[PathBuf], program: &Path, dir: &Path) -> Confine {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let secrets = home.iter().flat_map(|home| SECRETS.map(|name| home.join(name)));
    Confine {
        denied: private.iter().cloned().chain(secrets).collect(),
        // The demo server is a verb of this program, which may lie among the private files.
        readable: vec![program.to_owned()],
        writable: vec![dir.to_owned()],
    }
}

/// A sentence for each limit that is set and not enforced, and one on a user that is shared with the node.
pub(super) fn sentences(
    build: &Build,
    pids: i64,
    lacks: &[Lack],
    shared_user: Option<Confined>,
) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut reasons: Vec<&str> = lacks.iter().map(|(_, why)| why.as_str()).collect();
    reasons.dedup();
    for reason in reasons {
        let of_it = lacks.iter().filter(|(_, why)| why == reason);
        let limits: Vec<String> = of_it
            .map(|(limit, _)| match limit {
                Limit::Memory => format!("the memory limit of {} MiB", build.memory_limit),
                Limit::Cpu => format!("the CPU limit of {} %", build.cpu_limit),
                Limit::Pids => format!("the limit of {pids} processes"),
            })
            .collect();
        sentences.push(format!("Not enforced here: {}. {reason}", limits.join(", ")));
    }
    if build.disk_space > 0 {
        sentences.push(format!(
            "The disk limit of {} MiB is not enforced for servers that run as processes: its use is only shown.",
            build.disk_space
        ));
    }
    if let Some(threads) = build.threads.as_deref().filter(|threads| !threads.is_empty()) {
        sentences.push(format!(
            "The choice of cores ({threads}) is not enforced for servers that run as processes: run it in Docker \
             (--image) where it must be."
        ));
    }
    let mend = "start Roost as root, or use Docker, for servers that you do not trust";
    sentences.extend(shared_user.map(|confined| match confined {
        Confined::Fully | Confined::Partly => format!(
            "This server runs as the same user as Roost. Landlock keeps it out of Roost's files{}, but it can read \
             what else that user can: {mend}.",
            if confined == Confined::Fully {
                " and lets it write only in its directory and /tmp"
            } else {
                " as far as this kernel can"
            }
        ),
        Confined::NotAsked | Confined::Unsupported => format!(
            "This server runs as the same user as Roost and can read and change whatever that user can, since this \
             kernel has no Landlock: {mend}."
        ),
    }));
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build() -> Build {
        Build {
            memory_limit: 512,
            cpu_limit: 50,
            ..Build::default()
        }
    }

    #[test]
    fn limits_that_lack_for_one_reason_are_told_in_one_sentence() {
        let why = "There are none: mount them.".to_owned();
        let lacks = [(Limit::Memory, why.clone()), (Limit::Cpu, why)];
        assert_eq!(
            sentences(&build(), 512, &lacks, None),
            [
                "Not enforced here: the memory limit of 512 MiB, the CPU limit of 50 %. There are none: mount them."
            ]
        );
        assert!(sentences(&build(), 512, &[], None).is_empty());
    }

    #[test]
    fn what_has_no_control_group_is_told_as_well() {
        let build = Build {
            disk_space: 100,
            threads: Some("0,1".to_owned()),
            ..build()
        };
        let told = sentences(&build, 0, &[], None);
        assert!(
            told[0].contains("disk limit of 100 MiB") && told[1].contains("0,1"),
            "{told:?}"
        );
    }

    #[test]
    fn a_shared_user_is_told_with_what_the_kernel_makes_of_it() {
        let told = |confined| sentences(&Build::default(), 0, &[], Some(confined)).concat();
        assert!(told(Confined::Unsupported).contains("no Landlock"));
        assert!(told(Confined::Fully).contains("only in its directory"));
        assert!(told(Confined::Partly).contains("as far as this kernel can"));
    }

    #[test]
    fn a_server_writes_in_its_directory_and_reads_no_private_file() {
        let confine = confine(
            &["/srv/roost".into()],
            Path::new("/srv/roost/bin/roost"),
            Path::new("/srv/mc"),
        );
        assert_eq!(confine.writable, [Path::new("/srv/mc")]);
        assert_eq!(confine.readable, [Path::new("/srv/roost/bin/roost")]);
        assert!(confine.denied.contains(&PathBuf::from("/srv/roost")));
    }
}
