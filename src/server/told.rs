//! What the server's log and screen say of people: who comes and goes, who was refused, what was said in the
//! lobby; of what is private only sender, recipient and length.

use crate::chat::{Origin, UserName, printable};
use crate::control::{FileFor, Refusal, Request};

/// A request as it will be told when it is done, or refused.
pub(super) struct Told {
    done: Option<String>,
    refused: Option<String>,
}

impl Told {
    /// Of what `by` asks for.
    pub(super) fn of(by: &Origin, request: &Request) -> Self {
        let mut refused = None;
        let done = match request {
            Request::Name(name) => {
                refused = Some(format!("Name {name} refused to {by}"));
                match &by.name {
                    None => Some(format!("{name} joined from {}", by.address)),
                    Some(before) if before.as_str() == name.as_str() => None,
                    Some(_) => Some(format!("{by} is now known as {name}")),
                }
            }
            Request::Enter { room, via, .. } => {
                refused = Some(format!("Room {room} refused to {by}"));
                Some(format!("{by} entered room {room} via {}", via.as_str()))
            }
            Request::Leave(room) => Some(format!("{by} left room {room}")),
            Request::Report => Some(format!("Report to {by}")),
            // In other rooms the seat tells what it hears.
            Request::Say { room, text, .. } if room.is_lobby() => {
                let text = printable(text.as_str());
                by.name
                    .as_ref()
                    .map(|name| format!("[{room}] {name}: {text}"))
            }
            Request::Whisper { to, text } => {
                let bytes = text.as_str().len();
                Some(format!("{by} whispered {bytes} bytes to {to}"))
            }
            Request::OfferFile { to, offer, .. } => {
                let bytes = offer.size_bytes;
                Some(match to {
                    FileFor::Room(room) => {
                        format!("[{room}] {by} offers {} ({bytes} bytes)", offer.name)
                    }
                    FileFor::Person(to) => format!("{by} offered a file of {bytes} bytes to {to}"),
                })
            }
            Request::GroupSet { group, members } => {
                Some(format!("Group {group} set by {by}: {}", listed(members)))
            }
            Request::GroupLeave(group) => Some(format!("{by} left group {group}")),
            Request::GroupDelete(group) => Some(format!("Group {group} deleted by {by}")),
            Request::Topic { room, topic } => Some(match topic {
                Some(topic) => {
                    let topic = printable(topic.as_str());
                    format!("Topic of room {room} set by {by}: {topic}")
                }
                None => format!("Topic of room {room} cleared by {by}"),
            }),
            _ => None,
        };
        Self { done, refused }
    }

    /// Of a message to a group, which is known when it is done.
    pub(super) fn group_line(by: &Origin, group: &str, to: &[UserName], bytes: usize) -> Self {
        let to = match to {
            [] => "nobody online".to_owned(),
            to => listed(to),
        };
        Self {
            done: Some(format!("{by} said {bytes} bytes to group {group}: {to}")),
            refused: None,
        }
    }

    pub(super) fn log(&self, refusal: Option<&Refusal>) {
        match (refusal, &self.done, &self.refused) {
            (None, Some(done), _) => tracing::info!("{done}"),
            (Some(refusal), _, Some(refused)) => {
                tracing::info!("{refused}: {}", printable(&refusal.text));
            }
            _ => {}
        }
    }
}

fn listed(names: &[UserName]) -> String {
    let names: Vec<_> = names.iter().map(UserName::as_str).collect();
    names.join(", ")
}
