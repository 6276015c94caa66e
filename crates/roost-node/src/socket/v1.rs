//! What viewers that speak `roost.v1` get on top: where they begin, and answers to their requests.
//!
//! The frames are in [`roost_wire::v1`]; how lines and gaps reach a viewer is the delivery's business, for both dialects.

use super::{Ended, shard::Shard, viewer::Viewer};
use crate::server::handle::Refusal;
use roost_power::Refusal as PowerRefusal;
use roost_wire::v1::{self, BadRequest, Begin, Code, Reason};
use serde_json::{Value, json};
use std::sync::{Arc, atomic::Ordering};

/// The actor's answer to a request.
#[derive(Debug)]
pub(super) struct Answer {
    /// The request's name.
    pub(super) name: Option<Value>,
    /// The last line's number before the request.
    pub(super) after: u64,
    pub(super) result: Result<(), Refusal>,
}

impl Refusal {
    /// Its name in `roost.v1`.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Offline => Code::Offline,
            Self::Power(PowerRefusal::AlreadyUp(_) | PowerRefusal::AlreadyOffline) => Code::Already,
            Self::Power(PowerRefusal::Suspended) => Code::Suspended,
            Self::Power(PowerRefusal::Installing) => Code::Installing,
            Self::Power(PowerRefusal::Busy(_) | PowerRefusal::GoingDown) => Code::Busy,
            Self::TooLong(_) | Self::ControlCharacter(_) | Self::NotInEncoding(..) => Code::Command,
            Self::NoPermission(_) => Code::Permission,
            Self::UnknownAction => Code::Action,
            Self::TooMany => Code::Limit,
            Self::Failed(_) => Code::Failed,
        }
    }
}

impl Shard {
    /// The answer to the first `auth`, for which the cursor was put at the tail.
    pub(super) fn welcome(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        let socket = viewer.session.as_ref().map(|session| session.socket);
        let Some(group) = self.groups.get(&viewer.server) else {
            return Ok(());
        };
        let place =
            json!({"stream": group.handle.console.stream(), "next": viewer.cursor.seq, "socket": socket});
        let frame = v1::frame(roost_wire::event::AUTH_SUCCESS, &[place]);
        viewer.send(frame, self.now)?;
        Ok(())
    }

    /// Brings a viewer to where it wanted to begin, and on from there.
    pub(super) fn begin(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        let Some(floor) = self.floor(viewer) else {
            return Ok(());
        };
        let begin = viewer.begin.take().map(|begin| *begin).unwrap_or_default();
        let Some(group) = self.groups.get(&viewer.server) else {
            return Ok(());
        };
        let console = Arc::clone(&group.handle.console);
        let tail = viewer.cursor.seq;
        let last = |lines: u64| tail.saturating_sub(lines).max(floor).max(console.first_seq());
        let (start, gap) = match begin {
            Begin::Last(lines) => (last(lines), None),
            Begin::After { stream, after, most } if stream != console.stream() => {
                (last(most), Some(v1::gap(after, None, Reason::UnknownStream)))
            }
            Begin::After { after, most, .. } if after >= tail => {
                (last(most), Some(v1::gap(after, None, Reason::AfterEnd)))
            }
            Begin::After { after, most, .. } => {
                let wanted = (after + 1).max(floor);
                let newest = tail.saturating_sub(most);
                let gap = (newest > wanted).then(|| v1::gap(wanted - 1, Some(newest - wanted), Reason::Most));
                (wanted.max(newest), gap)
            }
        };
        if let Some(gap) = gap {
            viewer.send(v1::frame(v1::GAP, &[gap]), self.now)?;
        }
        viewer.asks_for_all_before(tail);
        if start < tail {
            viewer.cursor = console.at(start);
        }
        self.follow(viewer)
    }

    /// A request that can't be read.
    pub(super) fn refuse_request(&mut self, viewer: &mut Viewer, bad: BadRequest) -> Result<(), Ended> {
        self.hub.counters.ignored.fetch_add(1, Ordering::Relaxed);
        self.refuse(viewer, bad.name, Code::Request, bad.reason)
    }

    /// `refused`, with a sentence for people.
    pub(super) fn refuse(
        &mut self,
        viewer: &mut Viewer,
        name: Option<Value>,
        code: Code,
        reason: &str,
    ) -> Result<(), Ended> {
        self.hub.counters.refuse(code);
        let why = json!({"code": code.name(), "reason": reason});
        let frame = v1::frame(v1::REFUSED, &[name.unwrap_or_default(), why]);
        viewer.send(frame, self.now)?;
        Ok(())
    }

    /// The actor has answered a request.
    pub(super) fn answered(&mut self, viewer: &mut Viewer, answer: Answer) -> Result<(), Ended> {
        let Answer { name, after, result } = answer;
        match result {
            Err(refusal) => self.tell_refusal(viewer, name, &refusal),
            Ok(()) if viewer.is_v1 && viewer.is_let_in() && name.is_some() => {
                let args = [name.unwrap_or_default(), json!({"after": after})];
                viewer.send(v1::frame(v1::ACCEPTED, &args), self.now)?;
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// A request was not carried out: a sentence for classic viewers.
    pub(super) fn tell_refusal(
        &mut self,
        viewer: &mut Viewer,
        name: Option<Value>,
        refusal: &Refusal,
    ) -> Result<(), Ended> {
        if !viewer.is_v1 {
            self.hub.counters.refuse(refusal.code());
            return self.tell(viewer, &refusal.to_string());
        }
        if !viewer.is_let_in() {
            return Ok(());
        }
        self.refuse(viewer, name, refusal.code(), &refusal.to_string())
    }
}
