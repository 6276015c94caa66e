//! A node that comes back asks what access has ended meanwhile, before it lets consoles in. Its servers do not wait.
//!
//! The panel tells it as well, again and again, but that may come half a minute later.

use super::Node;
use std::time::Duration;

/// How long it waits for the panel. After that a valid token is good: consoles do not depend on the panel.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two questions to a panel that is away.
const PAUSE: Duration = Duration::from_millis(250);

impl Node {
    /// Asks, and then lets sockets in.
    pub(super) async fn catch_up_on_revocations(&self) {
        self.take_over_revocations().await;
        self.0.knows_revoked.cancel();
    }

    /// Returns when sockets may be let in: at once, but for the first moments of a node.
    pub(crate) async fn knows_revoked(&self) {
        self.0.knows_revoked.cancelled().await;
    }

    async fn take_over_revocations(&self) {
        let Ok(orders) = tokio::time::timeout(PATIENCE, self.ask_for_revocations()).await else {
            tracing::warn!(
                "the panel does not say within 5 s which console tokens it has revoked: those that are valid and not on \
                 this node's own list are accepted, until it says otherwise"
            );
            return;
        };
        for order in &orders {
            if let Err(error) = self.deny_user(order).await {
                tracing::error!(user = %order.user, %error, "the deny list can't be written; this holds until the node restarts");
            }
        }
        if !orders.is_empty() {
            tracing::info!(
                count = orders.len(),
                "took over what the panel had revoked meanwhile"
            );
        }
    }

    /// Until the panel has answered, be it that it does not know the question.
    async fn ask_for_revocations(&self) -> Vec<roost_wire::node_api::DeauthorizeUser> {
        loop {
            match self.0.context.panel.revocations().await {
                Ok(orders) => return orders,
                Err(error) if error.is_passing() => tokio::time::sleep(PAUSE).await,
                Err(error) => {
                    tracing::debug!(%error, "the panel keeps no list of what it has revoked");
                    return Vec::new();
                }
            }
        }
    }
}
