//! Talk over the server: to one person, to a group, about whom one follows.

use tokio::time::timeout;

use super::in_room::PATIENCE;
use super::{Failure, Repl, Seat};
use crate::chat::{Followed, GroupName, MessageText, OneLine, UserName};
use crate::terminal::command::Parsed;
use crate::terminal::render::name_key;
use crate::terminal::report::online_lines;

impl Repl {
    /// The commands that need a server and nothing else.
    pub(super) async fn carry_out_online(
        &mut self,
        parsed: Parsed,
    ) -> Result<Vec<String>, Failure> {
        match parsed {
            Parsed::Names => self.show_names().await,
            Parsed::Report => Ok(online_lines(&self.connected()?.report().await?)),
            Parsed::Whisper { to, text } => self.whisper(to, text).await,
            Parsed::Reply(text) => {
                let to = self.whispered_by.clone();
                let to = to.ok_or("nobody has spoken to you alone yet: `msg NAME TEXT` begins")?;
                self.whisper(to, text).await
            }
            Parsed::GroupSet { group, members } => self.set_group(group, members).await,
            Parsed::GroupSend(text) => self.say_to_group(text).await,
            Parsed::GroupLeave(group) => {
                self.connected()?.leave_group(group.clone()).await?;
                self.drop_group(&group);
                Ok(self.noticed(format!("You left the {group} group")))
            }
            Parsed::GroupDelete(group) => {
                self.connected()?.delete_group(group.clone()).await?;
                self.drop_group(&group);
                Ok(self.noticed(format!("The {group} group is deleted")))
            }
            Parsed::Groups => self.show_groups().await,
            Parsed::Follow(what) => {
                self.connected()?.follow(what.clone()).await?;
                Ok(self.noticed(format!("You follow {}", described(&what))))
            }
            Parsed::Unfollow(what) => {
                self.connected()?.unfollow(what.clone()).await?;
                Ok(self.noticed(format!("You follow {} no more", described(&what))))
            }
            Parsed::Following => {
                let followed = self.connected()?.following().await?;
                let followed: Vec<String> = followed.iter().map(Followed::to_string).collect();
                Ok(self.noticed(match followed.is_empty() {
                    true => "You follow nobody: `follow @NAME` or `follow WORD` begins".to_owned(),
                    false => format!("You follow: {}", followed.join(", ")),
                }))
            }
            Parsed::Away(text) => self.set_away(text).await,
            _ => Ok(Vec::new()),
        }
    }

    fn noticed(&self, text: String) -> Vec<String> {
        vec![self.settings.style.notice(&text)]
    }

    async fn show_names(&mut self) -> Result<Vec<String>, Failure> {
        let names = self.connected()?.names().await?;
        let list: Vec<&str> = names.iter().map(UserName::as_str).collect();
        let line = format!("Connected users: {}", list.join(", "));
        self.console.teach(|words| words.set_online(&names));
        Ok(self.noticed(line))
    }

    /// Who has a picture; nobody where no server tells at once.
    pub(super) async fn with_avatar(&mut self) -> Vec<UserName> {
        let Ok(connection) = self.connected() else {
            return Vec::new();
        };
        let told = timeout(PATIENCE, connection.report()).await;
        let online = told.ok().and_then(Result::ok).unwrap_or_default();
        let with = online.into_iter().filter(|one| one.avatar.is_some());
        with.map(|one| one.name).collect()
    }

    pub(super) async fn who_in_lobby(&mut self) -> Result<Vec<String>, Failure> {
        let mut online = self.connected()?.report().await?;
        online.retain(|one| one.room.as_ref().is_some_and(|room| room.is_lobby()));
        Ok(online_lines(&online))
    }

    async fn whisper(&mut self, to: UserName, text: MessageText) -> Result<Vec<String>, Failure> {
        self.connected()?.whisper(to.clone(), text.clone()).await?;
        self.show_own(&format!("private to {to}"), text.as_str())
    }

    async fn set_group(
        &mut self,
        group: GroupName,
        members: Vec<UserName>,
    ) -> Result<Vec<String>, Failure> {
        let names: Vec<&str> = members.iter().map(UserName::as_str).collect();
        let line = format!("The {group} group is made of {}", names.join(", "));
        self.connected()?.set_group(group, members).await?;
        Ok(self.noticed(line))
    }

    async fn say_to_group(&mut self, text: MessageText) -> Result<Vec<String>, Failure> {
        self.connected()?.say_to_group(text.clone()).await?;
        // As the server decides it: the first word, or the only one.
        let (first, rest) = text
            .as_str()
            .split_once(char::is_whitespace)
            .unwrap_or_default();
        let named = first.parse::<GroupName>().ok();
        let (group, text) = match named.filter(|named| self.groups.contains(named)) {
            Some(named) => (format!("group {named}"), rest.trim_start()),
            None => match self.groups.as_slice() {
                [only] => (format!("group {only}"), text.as_str()),
                _ => ("group".to_owned(), text.as_str()),
            },
        };
        self.show_own(&group, text)
    }

    fn show_own(&mut self, mark: &str, text: &str) -> Result<Vec<String>, Failure> {
        let name = self.name.as_ref().map_or("", UserName::as_str);
        let line = self.settings.style.marked(mark, name, text);
        self.show_said(&line)?;
        Ok(Vec::new())
    }

    async fn show_groups(&mut self) -> Result<Vec<String>, Failure> {
        let groups = self.connected()?.groups().await?;
        self.groups = groups.iter().map(|group| group.name.clone()).collect();
        self.teach_groups();
        if groups.is_empty() {
            let text = "You are in no group: `group set GROUP NAME, NAME…` makes one";
            return Ok(self.noticed(text.to_owned()));
        }
        let lines = groups.iter().flat_map(|group| {
            let members: Vec<&str> = group.members.iter().map(UserName::as_str).collect();
            self.noticed(format!("{}: {}", group.name, members.join(", ")))
        });
        Ok(lines.collect())
    }

    async fn set_away(&mut self, text: Option<OneLine>) -> Result<Vec<String>, Failure> {
        self.connected()?.set_away(text.clone()).await?;
        Ok(self.noticed(match text {
            Some(text) => format!("You are away: {text}"),
            None => "You are back".to_owned(),
        }))
    }

    pub(super) async fn show_topic(&mut self) -> Result<Vec<String>, Failure> {
        let name = self.seat.as_ref().map(Seat::name).ok_or("not in a room")?;
        if name.is_lobby() {
            return Err("the lobby has no topic: it is for everything".into());
        }
        let rooms = self.connected()?.get_directory().await?;
        let topic = rooms.iter().find(|room| room.name == name);
        let topic = topic.and_then(|room| room.topic.clone());
        self.remember(rooms);
        Ok(self.noticed(match topic {
            Some(topic) => format!("topic: {topic}"),
            None => "no topic: `/topic TEXT` sets one".to_owned(),
        }))
    }

    /// The server tells all who are in the room, and so us.
    pub(super) async fn set_topic(
        &mut self,
        topic: Option<OneLine>,
    ) -> Result<Vec<String>, Failure> {
        let name = self.seat.as_ref().map(Seat::name).ok_or("not in a room")?;
        self.connected()?.set_topic(name, topic).await?;
        Ok(Vec::new())
    }

    pub(super) fn ignore(&mut self, name: Option<String>) -> Vec<String> {
        let Some(name) = name else {
            let names: Vec<&str> = self.ignored.values().map(String::as_str).collect();
            return self.noticed(match names.is_empty() {
                true => "You ignore nobody".to_owned(),
                false => format!("You ignore: {}", names.join(", ")),
            });
        };
        let name = name.trim_start_matches('@').to_owned();
        let line = format!("You ignore {name}: nothing of {name} is shown");
        self.ignored.insert(name_key(&name), name);
        self.noticed(line)
    }

    pub(super) fn unignore(&mut self, name: &str) -> Result<Vec<String>, Failure> {
        let name = name.trim_start_matches('@');
        match self.ignored.remove(&name_key(name)) {
            Some(name) => Ok(self.noticed(format!("You ignore {name} no more"))),
            None => Err(format!("you do not ignore {name}: `ignore` lists whom you do").into()),
        }
    }

    pub(super) fn is_ignored(&self, name: &str) -> bool {
        !self.ignored.is_empty() && self.ignored.contains_key(&name_key(name))
    }

    /// For Tab. Without it everything else works.
    pub(super) async fn learn_names(&mut self) {
        let Some(connection) = &self.connection else {
            return;
        };
        if let Ok(names) = connection.names().await {
            self.console.teach(|words| words.set_online(&names));
        }
        if let Ok(groups) = connection.groups().await {
            self.groups = groups.into_iter().map(|group| group.name).collect();
            self.teach_groups();
        }
    }

    pub(super) fn add_group(&mut self, group: &GroupName) {
        self.drop_group(group);
        self.groups.push(group.clone());
        self.teach_groups();
    }

    pub(super) fn drop_group(&mut self, group: &GroupName) {
        self.groups.retain(|known| known != group);
        self.teach_groups();
    }

    fn teach_groups(&self) {
        self.console.teach(|words| words.set_groups(&self.groups));
    }
}

/// Whoever leaves out the `@` before a name is to see what that means.
fn described(what: &Followed) -> String {
    match what {
        Followed::User(_) => what.to_string(),
        Followed::Word(_) => format!("the word {what}"),
    }
}
